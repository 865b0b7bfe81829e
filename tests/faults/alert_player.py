"""Sends simulated nights to a topic at a given rate until SIGTERM, and records what it sent; used by the soak test.

Usage: alert_player.py JSON, with the names of `main`.
"""

from __future__ import annotations

import array
import datetime
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from broker_assets.replay.producer import OutgoingMessage, produce
from broker_assets.simulation import Survey
from broker_assets.simulation.cadence import last_night

NIGHTS = 3
SURVEYS = 1000
"""Surveys with different identifiers, see `Survey`; at 256 alerts per second they last for days."""
CONFIRM_SECONDS = 900.0
"""An alert waits for this long for a broker that is killed, paused or cut off."""


def alerts(sent: Path, objects: int, seed: int) -> Iterator[OutgoingMessage]:
    """One survey after another, each with other objects; the identifiers are recorded as the messages are taken."""
    first = last_night(datetime.datetime.now(datetime.UTC)) - datetime.timedelta(days=NIGHTS - 1)
    with sent.open("ab") as file:
        for number in itertools.count(seed):
            survey = Survey(
                seed=1 + number % SURVEYS,
                objects=objects,
                nights=NIGHTS,
                history=20,
                first_night=first.isoformat(),
                cutouts="none",
            )
            for alert in survey.alerts():
                # Before it is sent: an alert that was sent but not recorded could not be missed.
                array.array("Q", [alert.diaobjectid, alert.diasourceid]).tofile(file)
                yield OutgoingMessage(alert.payload, alert.key)


def main(*, servers: str, topic: str, rate: float, sent: str, objects: int = 4000, seed: int = 100) -> None:
    """Send until SIGTERM, then wait for all confirmations."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    os.nice(5)  # the platform has priority
    report = produce(
        alerts(Path(sent), objects, seed),
        bootstrap_servers=servers,
        topic=topic,
        rate=rate,
        client={"log_level": "3", "reconnect.backoff.max.ms": "1000"},
        stop=asked.is_set,
        delivery_seconds=CONFIRM_SECONDS,
    )
    print(json.dumps({"messages": report.messages, "bytes": report.bytes, "seconds": report.seconds}), flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))

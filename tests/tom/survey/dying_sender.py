"""A sender that kills itself at a step of a batch: `python dying_sender.py DATABASE SERVERS TOPIC STEP BATCH`."""

from __future__ import annotations

import os
import signal
import sys

from broker_assets.tom.survey.kafka_topics import KafkaTopics
from broker_assets.tom.survey.selection import Window
from broker_assets.tom.survey.sending import AlertTopics, Pace, send_alerts


def main() -> None:
    """Send, and die."""
    database, servers, topic, fatal, batch = sys.argv[1:]
    seen = 0

    def step(name: str) -> None:
        nonlocal seen
        seen += name == fatal
        if seen == int(batch):
            os.kill(os.getpid(), signal.SIGKILL)

    send_alerts(
        database,
        KafkaTopics({"bootstrap.servers": servers}),
        Window(None, 60290.0),
        streams=AlertTopics(topic),
        pace=Pace(flush_every=10),
        step=step,
    )


if __name__ == "__main__":
    main()

"""The sender is killed (SIGKILL) at random moments: nothing is lost, and topics have every message once and in order.

`BROKER_FAULT_ROUNDS` sets how many kills there are (default 8, of which a quarter here); `BROKER_FAULT_SEED` repeats a
run's choices.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from delivery_peers import header, read_topic, receiver, states
from queued_messages import add_sink, queue

from broker_assets.database.engine import connect

pytestmark = [
    pytest.mark.faults,
    pytest.mark.database,
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

ROUNDS = max(1, int(os.environ.get("BROKER_FAULT_ROUNDS", "8")) // 4)
EACH = 60
"""Messages queued in a round."""


@contextmanager
def sending(database_url: str, kafka: str) -> Iterator[subprocess.Popen[bytes]]:
    """A sender in a process of its own, ready to send; killed at the end."""
    program = Path(__file__).with_name("sender_process.py")
    peers = Path(__file__).parents[1] / "peers"
    path = os.pathsep.join([str(peers), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(program), database_url, kafka]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path})
    output = child.stdout
    assert output is not None
    try:
        assert output.readline() == b"ready\n"
        yield child
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        output.close()


def left(connection: psycopg.Connection[Any]) -> int:
    found = states(connection)
    return found.get("pending", 0) + found.get("sending", 0)


def test_nothing_is_lost_and_topics_have_everything_once(database_url: str, kafka: str) -> None:
    seed = int(os.environ.get("BROKER_FAULT_SEED", str(random.randrange(10**6))))
    print(f"BROKER_FAULT_SEED={seed}")
    chance = random.Random(seed)
    with receiver() as hook, connect(database_url, autocommit=True) as connection:
        topics = [f"lasair_killed{number}-{os.getpid()}-{seed}" for number in range(3)]
        for topic in topics:
            add_sink(connection, kind="kafka", target=topic)
        add_sink(connection, target=hook.url())
        wanted: list[str] = []
        for number in range(ROUNDS):
            with sending(database_url, kafka):
                sources = range(number * EACH, (number + 1) * EACH)
                for begin in range(0, EACH, 10):
                    queue(connection, sources[begin : begin + 10])
                    time.sleep(chance.uniform(0.0, 0.05))
                wanted += [f"alert/{source // 10}/{source}" for source in sources]
                time.sleep(chance.uniform(0.0, 0.4))
        with sending(database_url, kafka):
            deadline = time.monotonic() + 120
            while left(connection):
                assert time.monotonic() < deadline, states(connection)
                time.sleep(0.1)
        assert states(connection) == {"delivered": 4 * len(wanted)}
        for topic in topics:
            messages = read_topic(kafka, topic, len(wanted) + 1, seconds=2)
            assert [header(one, "trigger") for one in messages] == wanted, "once, and in order"
            assert len({header(one, "delivery-id") for one in messages}) == len(wanted)
        received = [match["trigger"] for one in hook.accepted for match in one.document["matches"]]
        assert list(dict.fromkeys(received)) == wanted, "at least once, and in order"
        again = [one.headers["webhook-id"] for one in hook.accepted]
        assert len(again) - len(set(again)) <= ROUNDS, "what was sent again has the same id"
        offsets = connection.execute(
            "SELECT count(DISTINCT (receipt->>'topic', receipt->>'offset')) FROM deliveries WHERE receipt ? 'topic'"
        ).fetchone()
        assert offsets == (3 * len(wanted),)

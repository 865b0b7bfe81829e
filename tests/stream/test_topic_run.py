"""What runs at topics have in common, whatever their messages do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import ledger, quarantine
from broker_assets.database import engine
from broker_assets.settings import AttemptSettings
from broker_assets.stream.messages import Message
from broker_assets.stream.retry import QUARANTINE_PARTITION
from broker_assets.stream.topic_run import TopicRun, retry_entries

pytestmark = pytest.mark.database


def _run(connection: psycopg.Connection[Any]) -> TopicRun:
    return TopicRun(
        connection=connection, stream="t", kind="notice", code_version="1", run_id="run", attempt_id="attempt"
    )


def test_what_waits_is_given_in_portions_until_nothing_comes(database_url: str, packets: Any) -> None:
    got: list[list[bytes]] = []
    with engine.connect(database_url, autocommit=True) as connection:
        run = _run(connection)

        def apply(messages: Sequence[Message]) -> None:
            got.append([message.value for message in messages])
            run.positions = {0: messages[-1].offset + 1}

        source = packets.ListSource.of([b"%d" % number for number in range(5)])
        run.read(source, [0], AttemptSettings(), apply, at_a_time=2, wait_seconds=0.05, idle_seconds=0.1)
        assert [value for part in got for value in part] == [b"0", b"1", b"2", b"3", b"4"]
        assert max(map(len, got)) == 2
        assert run.positions == {0: 5}


def test_it_ends_at_its_deadline_whatever_waits(database_url: str, packets: Any) -> None:
    got: list[Message] = []
    with engine.connect(database_url, autocommit=True) as connection:
        source = packets.ListSource.of([b"x"] * 5)
        over = time.monotonic() - 1.0
        options: dict[str, Any] = {"at_a_time": 1, "wait_seconds": 0.05, "idle_seconds": 60.0, "deadline": over}
        _run(connection).read(source, [0], AttemptSettings(), got.extend, **options)
    assert got == []


def test_chosen_entries_are_retried_under_a_lock(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        ingestid = ledger.open_batch(connection, topic="t", kind="notice", code_version="1")
        bad = [
            quarantine.QuarantinedMessage(
                topic="t", partition=0, offset=number, kafka_timestamp=None, key=None, payload=b"%d" % number,
                reason="bad", traceback=None,
            )
            for number in range(5)
        ]  # fmt: skip
        quarantine.add(connection, ingestid, bad)
        every = [entry.quarantineid for entry in quarantine.entries(connection, topic="t", after=0, limit=9)]
    got: list[int] = []

    def retry(connection: psycopg.Connection[Any], entries: Sequence[quarantine.QuarantineEntry]) -> None:
        got.extend(entry.quarantineid for entry in entries)
        with (
            engine.connect(database_url, autocommit=True) as other,
            pytest.raises(ledger.StreamBusy),
            ledger.lock_partitions(other, "t", [QUARANTINE_PARTITION]),
        ):
            pass

    retry_entries(database_url, "t", retry, at_a_time=2, quarantineids=every[1:4])
    assert got == every[1:4]
    got.clear()
    retry_entries(database_url, "t", retry, at_a_time=2, quarantineids=None)
    assert got == every

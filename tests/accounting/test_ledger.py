"""The ledger: single flight, guarded positions, balances."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from ledger_batches import NIGHT, add_batch, archive_entry, imbalances, open_batch

from broker_assets.accounting import ledger, quarantine
from broker_assets.accounting.ledger import Range, StaleStreamPosition, StreamBusy
from broker_assets.database import engine

pytestmark = pytest.mark.database


def test_only_one_session_reads_a_partition(database_url: str) -> None:
    with engine.connect(database_url) as one, engine.connect(database_url) as other:
        with ledger.lock_partitions(one, "alerts", [2, 1]):
            with (
                pytest.raises(StreamBusy, match="partition 1 of alerts"),
                ledger.lock_partitions(other, "alerts", [0, 1]),
            ):
                pytest.fail("the body ran")
            # What was taken before the refusal is free again, and other topics are not concerned.
            with ledger.lock_partitions(other, "alerts", [0]), ledger.lock_partitions(other, "others", [1]):
                pass
        with ledger.lock_partitions(other, "alerts", [0, 1, 2]):
            pass


def test_locks_end_with_a_failed_body_and_with_the_session(database_url: str) -> None:
    with engine.connect(database_url) as one, engine.connect(database_url) as other:
        with pytest.raises(psycopg.errors.SyntaxError), ledger.lock_partitions(one, "alerts", [0]):
            one.execute("nonsense")
        with ledger.lock_partitions(other, "alerts", [0]):
            pass
    lost = engine.connect(database_url)
    with engine.connect(database_url) as other, ledger.lock_partitions(lost, "alerts", [0]):
        lost.close()
        for _ in range(100):
            try:
                with ledger.lock_partitions(other, "alerts", [0]):
                    break
            except StreamBusy:
                continue
        else:
            pytest.fail("the lock outlived its session")


def test_positions_move_with_the_batch(connection: psycopg.Connection[Any]) -> None:
    assert ledger.positions(connection, "alerts") == {}
    first = add_batch(connection, 100)
    second = add_batch(connection, 103)
    assert second > first
    assert ledger.positions(connection, "alerts") == {0: 106}
    assert imbalances(connection) == []
    newest = ledger.last_batches(connection, limit=1)[0]
    assert (newest.ingestid, newest.received, newest.latency_p50, newest.kind) == (second, 3, 0.5, "stream")
    assert ledger.last_batches(connection, topic="others") == []
    other = ledger.open_batch(connection, topic="busy", kind="annotation", code_version="1")
    assert [one.ingestid for one in ledger.newest_by_topic(connection)] == [second, other]


def test_a_position_that_somebody_moved_stops_the_batch(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        with connection.transaction():
            add_batch(connection, 100)
        with pytest.raises(StaleStreamPosition, match="is at 103, not at 100"), connection.transaction():
            add_batch(connection, 100, source=900)
        assert ledger.positions(connection, "alerts") == {0: 103}
        assert len(ledger.last_batches(connection)) == 1
        assert len(quarantine.entries(connection)) == 1
        with pytest.raises(ValueError, match="ends before"):
            ledger.advance(connection, 1, "alerts", [Range(partition=0, first_offset=9, next_offset=8, received=0)])


def test_archive_files_are_listed_in_order(connection: psycopg.Connection[Any]) -> None:
    one, two = open_batch(connection), open_batch(connection)
    ids = ledger.add_archive_files(connection, two, [archive_entry("b", 1), archive_entry("c", 2)])
    ids += ledger.add_archive_files(connection, one, [archive_entry("a", 3)])
    listed = ledger.archive_files(connection, night=NIGHT, topic="alerts")
    assert [(number, batch, file.url) for number, batch, file in listed] == [
        (ids[2], one, "a"),
        (ids[0], two, "b"),
        (ids[1], two, "c"),
    ]
    assert ledger.archive_files(connection, topic="others") == []
    assert ledger.known_archive_urls(connection, ["a", "c", "orphan"]) == {"a", "c"}

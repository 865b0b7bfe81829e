"""The ledger balances, and whatever contradicts it is found."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from ledger_batches import NIGHT, add_batch, imbalances, open_batch

from broker_assets.accounting import balance, ledger
from broker_assets.accounting.ledger import BatchEntry, StaleStreamPosition
from broker_assets.database.alerts import NightCounts

pytestmark = pytest.mark.database


def test_a_batch_that_does_not_balance_can_not_be_committed(connection: psycopg.Connection[Any]) -> None:
    ingestid = open_batch(connection)
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.close_batch(connection, ingestid, BatchEntry(received=3, stored=1, duplicate=1, quarantined=0))


def test_gaps_are_part_of_the_chain(connection: psycopg.Connection[Any]) -> None:
    add_batch(connection, 100)
    gap = open_batch(connection)
    ledger.record_gap(connection, "alerts", 0, 103, 200, reason="retention", ingestid=gap)
    ledger.close_batch(connection, gap, BatchEntry(received=0, stored=0, duplicate=0, quarantined=0))
    add_batch(connection, 200)
    second = open_batch(connection)
    ledger.record_gap(connection, "alerts", 0, 203, 0, reason="the topic was recreated", ingestid=second)
    add_batch(connection, 0)
    assert ledger.positions(connection, "alerts") == {0: 3}
    assert imbalances(connection) == []
    with pytest.raises(StaleStreamPosition):
        ledger.record_gap(connection, "alerts", 0, 2, 9, reason="retention", ingestid=second)


@pytest.mark.parametrize(
    ("damage", "subject", "detail"),
    [
        ("UPDATE ingest_batch_night SET stored = 2", "batch", "packets stored, by night"),
        ("UPDATE ingest_batch_range SET received = 9", "batch", "messages received, by partition"),
        ("DELETE FROM quarantine", "batch", "quarantined messages"),
        ("UPDATE ingest_batch_range SET first_offset = 104 WHERE first_offset = 103", "alerts/0", "next range begins"),
        ("UPDATE stream_offset SET next_offset = 107", "alerts/0", "last range ends"),
        ("DELETE FROM diasources WHERE diasourceid = 100", "night 2026-01-01", "sources with an archive position"),
        ("UPDATE archive_file SET packets = 3", "batch", "packets in the archive"),
        ("DELETE FROM archive_file", "night 2026-01-01", "sources without archive file"),
        ("UPDATE diasources SET archivefileid = 1, archiveposition = 0", "night 2026-01-01", "position of another"),
    ],
)
def test_damage_is_reported(connection: psycopg.Connection[Any], damage: str, subject: str, detail: str) -> None:
    add_batch(connection, 100)
    add_batch(connection, 103)
    connection.execute(damage)
    found = imbalances(connection)
    assert any(subject in item.subject and detail in item.detail for item in found), found
    assert all(item.expected != item.found for item in found)


def test_a_night_made_again_is_measured_by_its_last_making(connection: psycopg.Connection[Any]) -> None:
    add_batch(connection, 100)
    again = open_batch(connection, "reprocess")
    connection.execute("UPDATE diasources SET ingestid = %s", (again,))
    ledger.close_batch(
        connection,
        again,
        BatchEntry(received=2, stored=1, duplicate=1, quarantined=0),
        nights={NIGHT: NightCounts(stored=1, duplicate=1)},
    )
    assert imbalances(connection) == []
    add_batch(connection, 103)
    assert imbalances(connection) == []
    assert balance.stored_rows(connection, nights=(NIGHT, NIGHT)) == []
    assert balance.batches(connection, first=again) == []

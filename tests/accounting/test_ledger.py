"""The ledger: single flight, guarded positions, balances."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import balance, ledger, quarantine
from broker_assets.accounting.ledger import ArchiveFileEntry, BatchEntry, Range, StaleStreamPosition, StreamBusy
from broker_assets.database import engine
from broker_assets.database.alerts import NightCounts

pytestmark = pytest.mark.database

NIGHT = datetime.date(2026, 1, 1)
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def _open(connection: psycopg.Connection[Any], kind: ledger.Kind = "stream") -> int:
    return ledger.open_batch(connection, topic="alerts", kind=kind, code_version="1", started_at=NOW, run_id="run")


def _file(name: str, packets: int) -> ArchiveFileEntry:
    return ArchiveFileEntry(topic="alerts", night=NIGHT, url=name, packets=packets, bytes=9, sha256="00")


def _source(connection: psycopg.Connection[Any], number: int, file: int, ingestid: int) -> None:
    connection.execute(
        "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey, night, ingestid, archivefileid,"
        " archiveposition, archivelength) VALUES (1, 61042, %s, 1, %s, %s, %s, %s, 10)",
        (number, NIGHT, ingestid, file, number * 10),
    )


def _batch(connection: psycopg.Connection[Any], first: int, number: int = 3, *, source: int | None = None) -> int:
    """A batch of three messages, of which one is stored, one a duplicate and one not readable."""
    ingestid = _open(connection)
    (file,) = ledger.add_archive_files(connection, ingestid, [_file(f"file{ingestid}", number - 1)])
    _source(connection, first if source is None else source, file, ingestid)
    quarantine.add(
        connection,
        ingestid,
        [quarantine.QuarantinedMessage(topic="alerts", partition=0, offset=first, payload=b"\x00\xff", reason="cut")],
    )
    span = Range(partition=0, first_offset=first, next_offset=first + number, received=number)
    ledger.advance(connection, ingestid, "alerts", [span])
    ledger.close_batch(
        connection,
        ingestid,
        BatchEntry(received=number, stored=1, duplicate=1, quarantined=1, bytes=100, latency_p50=0.5),
        nights={NIGHT: NightCounts(stored=1, duplicate=1, sources=1)},
    )
    return ingestid


def _imbalances(connection: psycopg.Connection[Any]) -> list[balance.Imbalance]:
    return [
        item
        for look in (
            balance.batches,
            balance.offsets,
            balance.stored_rows,
            balance.archived_packets,
            balance.archive_positions,
        )
        for item in look(connection)
    ]


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
    first = _batch(connection, 100)
    second = _batch(connection, 103)
    assert second > first
    assert ledger.positions(connection, "alerts") == {0: 106}
    assert _imbalances(connection) == []
    newest = ledger.last_batches(connection, limit=1)[0]
    assert (newest.ingestid, newest.received, newest.latency_p50, newest.kind) == (second, 3, 0.5, "stream")
    assert ledger.last_batches(connection, topic="others") == []


def test_a_position_that_somebody_moved_stops_the_batch(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        with connection.transaction():
            _batch(connection, 100)
        with pytest.raises(StaleStreamPosition, match="is at 103, not at 100"), connection.transaction():
            _batch(connection, 100, source=900)
        assert ledger.positions(connection, "alerts") == {0: 103}
        assert len(ledger.last_batches(connection)) == 1
        assert len(quarantine.entries(connection)) == 1
        with pytest.raises(ValueError, match="ends before"):
            ledger.advance(connection, 1, "alerts", [Range(partition=0, first_offset=9, next_offset=8, received=0)])


def test_a_batch_that_does_not_balance_can_not_be_committed(connection: psycopg.Connection[Any]) -> None:
    ingestid = _open(connection)
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.close_batch(connection, ingestid, BatchEntry(received=3, stored=1, duplicate=1, quarantined=0))


def test_gaps_are_part_of_the_chain(connection: psycopg.Connection[Any]) -> None:
    _batch(connection, 100)
    gap = _open(connection)
    ledger.record_gap(connection, "alerts", 0, 103, 200, reason="retention", ingestid=gap)
    ledger.close_batch(connection, gap, BatchEntry(received=0, stored=0, duplicate=0, quarantined=0))
    _batch(connection, 200)
    anew = _open(connection)
    ledger.record_gap(connection, "alerts", 0, 203, 0, reason="the topic was recreated", ingestid=anew)
    _batch(connection, 0)
    assert ledger.positions(connection, "alerts") == {0: 3}
    assert _imbalances(connection) == []
    with pytest.raises(StaleStreamPosition):
        ledger.record_gap(connection, "alerts", 0, 2, 9, reason="retention", ingestid=anew)


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
def test_damage_is_told(connection: psycopg.Connection[Any], damage: str, subject: str, detail: str) -> None:
    _batch(connection, 100)
    _batch(connection, 103)
    connection.execute(damage)
    told = _imbalances(connection)
    assert any(subject in item.subject and detail in item.detail for item in told), told
    assert all(item.expected != item.found for item in told)


def test_a_night_made_again_is_measured_by_its_last_making(connection: psycopg.Connection[Any]) -> None:
    _batch(connection, 100)
    again = _open(connection, "reprocess")
    connection.execute("UPDATE diasources SET ingestid = %s", (again,))
    ledger.close_batch(
        connection,
        again,
        BatchEntry(received=2, stored=1, duplicate=1, quarantined=0),
        nights={NIGHT: NightCounts(stored=1, duplicate=1)},
    )
    assert _imbalances(connection) == []
    _batch(connection, 103)
    assert _imbalances(connection) == []
    assert balance.stored_rows(connection, nights=(NIGHT, NIGHT)) == []
    assert balance.batches(connection, first=again) == []


def test_archive_files_are_listed_in_order(connection: psycopg.Connection[Any]) -> None:
    one, two = _open(connection), _open(connection)
    ids = ledger.add_archive_files(connection, two, [_file("b", 1), _file("c", 2)])
    ids += ledger.add_archive_files(connection, one, [_file("a", 3)])
    listed = ledger.archive_files(connection, night=NIGHT, topic="alerts")
    assert [(number, batch, file.url) for number, batch, file in listed] == [
        (ids[2], one, "a"),
        (ids[0], two, "b"),
        (ids[1], two, "c"),
    ]
    assert ledger.archive_files(connection, topic="others") == []
    assert ledger.known_archive_urls(connection, ["a", "c", "orphan"]) == {"a", "c"}

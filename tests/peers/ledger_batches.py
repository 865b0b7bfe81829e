"""Batches in the ledger, as tests write them."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg

from broker_assets.accounting import balance, ledger, quarantine
from broker_assets.accounting.ledger import ArchiveFileEntry, BatchEntry, Range
from broker_assets.database.alerts import NightCounts

NIGHT = datetime.date(2026, 1, 1)


NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def open_batch(connection: psycopg.Connection[Any], kind: ledger.Kind = "stream") -> int:
    return ledger.open_batch(connection, topic="alerts", kind=kind, code_version="1", started_at=NOW, run_id="run")


def archive_entry(name: str, packets: int) -> ArchiveFileEntry:
    return ArchiveFileEntry(topic="alerts", night=NIGHT, url=name, packets=packets, bytes=9, sha256="00")


def add_source(connection: psycopg.Connection[Any], number: int, file: int, ingestid: int) -> None:
    connection.execute(
        "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey, night, ingestid, archivefileid,"
        " archiveposition, archivelength) VALUES (1, 61042, %s, 1, %s, %s, %s, %s, 10)",
        (number, NIGHT, ingestid, file, number * 10),
    )


def add_batch(connection: psycopg.Connection[Any], first: int, number: int = 3, *, source: int | None = None) -> int:
    """A batch of three messages, of which one is stored, one a duplicate and one not readable."""
    ingestid = open_batch(connection)
    (file,) = ledger.add_archive_files(connection, ingestid, [archive_entry(f"file{ingestid}", number - 1)])
    add_source(connection, first if source is None else source, file, ingestid)
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


def imbalances(connection: psycopg.Connection[Any]) -> list[balance.Imbalance]:
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

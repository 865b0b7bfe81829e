"""The ledger of the stream: positions, batches, gaps, archive files.

A drain run locks its Kafka partitions, reads their positions, and for each batch executes in ONE transaction:
`open_batch`, the rows, `add_archive_files`, `advance` for each partition, `close_batch`. A process that dies in between
leaves nothing behind except files to which no row refers.

All functions except `lock_partitions` work in the caller's transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.accounting import attempts

if TYPE_CHECKING:
    # Loads a compiler, which is not needed to only read the ledger.
    from broker_assets.database.alerts import NightCounts

Kind = Literal["stream", "notice", "annotation", "reprocess", "retry"]

LOCK_SPACE = 0x73747265
"""Mixed into the keys of the advisory locks of Kafka partitions."""


class StreamBusy(RuntimeError):
    """Another run has locked a Kafka partition; the message names the partition."""


class StaleStreamPosition(RuntimeError):
    """The position of a Kafka partition is not the expected one: another process has moved it."""


class Range(BaseModel):
    """Messages of one Kafka partition in a batch."""

    model_config = ConfigDict(frozen=True)

    partition: int
    """Kafka partition."""
    first_offset: int
    """Position before the batch."""
    next_offset: int
    """Position after the batch."""
    received: int
    """Messages received; fewer than `next_offset - first_offset` if Kafka has deleted some or never had them."""


class BatchEntry(BaseModel):
    """Outcome of a batch: received = stored + duplicate + quarantined."""

    model_config = ConfigDict(frozen=True)

    received: int
    """Messages received."""
    stored: int
    """Messages that became rows."""
    duplicate: int
    """Messages whose rows were already stored."""
    quarantined: int
    """Messages that could not be read."""
    bytes: int = 0
    """Size of the messages."""
    read_seconds: float | None = None
    """Time spent receiving, s."""
    decode_seconds: float | None = None
    """Time spent decoding, s."""
    archive_seconds: float | None = None
    """Time spent writing the archive, s."""
    enrich_seconds: float | None = None
    """Time spent computing enrichments, s."""
    write_seconds: float | None = None
    """Time spent writing rows, s."""
    latency_p50: float | None = None
    """Median time from Kafka timestamp to written row, s."""
    latency_p90: float | None = None
    """90th percentile of that time, s."""
    latency_p99: float | None = None
    """99th percentile of that time, s."""
    latency_max: float | None = None
    """Largest such time, s."""


class ArchiveFileEntry(BaseModel):
    """A file of the packet archive."""

    model_config = ConfigDict(frozen=True)

    topic: str
    """Kafka topic of its packets."""
    night: datetime.date
    """Night of its packets."""
    url: str
    """URL of the file."""
    packets: int
    """Packets in the file."""
    bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file, hexadecimal."""
    schema_id: str | None = None
    """Identifier of the Avro schema of its packets."""


class Batch(BatchEntry):
    """A batch as recorded in the ledger."""

    ingestid: int
    """Identifier, rising."""
    run_id: str | None
    """Dagster run that wrote it."""
    topic: str
    """Kafka topic."""
    kind: Kind
    """Origin of its messages."""
    code_version: str
    """Version of the code that made the rows."""
    started_at: datetime.datetime
    """When its first message was requested."""
    finished_at: datetime.datetime | None
    """When its rows were written."""


@contextmanager
def lock_partitions(connection: psycopg.Connection[Any], topic: str, partitions: Sequence[int]) -> Iterator[None]:
    """Lock Kafka partitions for this session, so that only one run reads them.

    The locks belong to the session: they end with the `with` block, or with the connection if the process dies.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction, kept open while the partitions are read.
    topic : str
        Kafka topic.
    partitions : sequence of int
        Kafka partitions.

    Raises
    ------
    StreamBusy
        If another session has locked one of them; then none is locked.
    """
    held: list[int] = []
    try:
        for partition in sorted(set(partitions)):
            with connection.transaction():
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(hashtextextended(%s, %s))", (f"{topic}/{partition}", LOCK_SPACE)
                ).fetchone()
            if row != (True,):
                raise StreamBusy(f"partition {partition} of {topic} is being read by another run")
            held.append(partition)
        yield
    finally:
        if not connection.closed and not connection.broken:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.rollback()
            with connection.transaction():
                for partition in held:
                    connection.execute(
                        "SELECT pg_advisory_unlock(hashtextextended(%s, %s))", (f"{topic}/{partition}", LOCK_SPACE)
                    )


def positions(connection: psycopg.Connection[Any], topic: str) -> dict[int, int]:
    """Return the next offset of each Kafka partition of a topic that has been read."""
    rows = connection.execute(
        'SELECT "partition", next_offset FROM stream_offset WHERE topic = %s ORDER BY "partition"', (topic,)
    )
    return dict(rows.fetchall())


def open_batch(
    connection: psycopg.Connection[Any],
    *,
    topic: str,
    kind: Kind,
    code_version: str,
    started_at: datetime.datetime | None = None,
    run_id: str | None = None,
) -> int:
    """Allocate a batch that began at a time, or now; return its `ingestid`."""
    if started_at is None:
        started_at = datetime.datetime.now(datetime.UTC)
    row = connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at, run_id) VALUES (%s, %s, %s, %s, %s)"
        " RETURNING ingestid",
        (topic, kind, code_version, started_at, run_id),
    ).fetchone()
    if row is None:
        raise LookupError("PostgreSQL returned no ingestid")
    return int(row[0])


def close_batch(
    connection: psycopg.Connection[Any],
    ingestid: int,
    entry: BatchEntry,
    *,
    nights: Mapping[datetime.date, NightCounts] | None = None,
) -> None:
    """Record the outcome of a batch.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in the transaction that writes the rows.
    ingestid : int
        Batch.
    entry : BatchEntry
        Counts of the batch.
    nights : mapping of date to NightCounts, optional
        Its contents by night, see `broker_assets.database.alerts.WriteCounts.nights`.

    Raises
    ------
    psycopg.errors.CheckViolation
        If received is not stored + duplicate + quarantined: the transaction cannot be committed.
    """
    values = entry.model_dump() | {"ingestid": ingestid}
    connection.execute(
        "UPDATE ingest_batch SET finished_at = clock_timestamp(), received = %(received)s, stored = %(stored)s,"
        " duplicate = %(duplicate)s, quarantined = %(quarantined)s, bytes = %(bytes)s,"
        " read_seconds = %(read_seconds)s, decode_seconds = %(decode_seconds)s, archive_seconds = %(archive_seconds)s,"
        " enrich_seconds = %(enrich_seconds)s, write_seconds = %(write_seconds)s,"
        " latency_p50 = %(latency_p50)s, latency_p90 = %(latency_p90)s, latency_p99 = %(latency_p99)s,"
        " latency_max = %(latency_max)s"
        " WHERE ingestid = %(ingestid)s",
        values,
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ingest_batch_night (ingestid, night, stored, duplicate, sources, forced_sources, objects,"
            " solar_system_sources) VALUES (%(ingestid)s, %(night)s, %(stored)s, %(duplicate)s, %(sources)s,"
            " %(forced_sources)s, %(objects)s, %(solar_system_sources)s)",
            [
                asdict(counts) | {"ingestid": ingestid, "night": night}
                for night, counts in sorted((nights or {}).items())
            ],
        )


def advance(connection: psycopg.Connection[Any], ingestid: int, topic: str, ranges: Sequence[Range]) -> None:
    """Move the positions of Kafka partitions, record the offsets of the batch, and forget attempts at these messages.

    A partition that was never read has no position; its first range may begin anywhere.

    Raises
    ------
    StaleStreamPosition
        If a position is not the `first_offset` of its range: a run that lost its locks writes nothing.
    ValueError
        If a range ends before it begins.
    """
    # In the order of partitions, so that two writers never deadlock.
    for item in sorted(ranges, key=lambda item: item.partition):
        if item.next_offset < item.first_offset:
            raise ValueError(f"the range of partition {item.partition} ends before it begins")
        moved = connection.execute(
            'INSERT INTO stream_offset (topic, "partition", next_offset, ingestid) VALUES (%s, %s, %s, %s)'
            ' ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = excluded.next_offset,'
            " ingestid = excluded.ingestid, updated_at = now() WHERE stream_offset.next_offset = %s",
            (topic, item.partition, item.next_offset, ingestid, item.first_offset),
        )
        if moved.rowcount != 1:
            raise StaleStreamPosition(
                f"partition {item.partition} of {topic} is at {positions(connection, topic).get(item.partition)},"
                f" not at {item.first_offset}"
            )
        connection.execute(
            'INSERT INTO ingest_batch_range (ingestid, topic, "partition", first_offset, next_offset, received)'
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (ingestid, topic, item.partition, item.first_offset, item.next_offset, item.received),
        )
        attempts.forget(connection, topic, item.partition, passed=item.next_offset)


def record_gap(
    connection: psycopg.Connection[Any],
    topic: str,
    partition: int,
    first_offset: int,
    next_offset: int,
    *,
    reason: str,
    ingestid: int,
) -> None:
    """Record that Kafka deleted messages before they were read, and move the position past them.

    If a topic was recreated, `next_offset` is smaller than `first_offset`. The batch should contain no range of that
    partition: gaps and ranges follow one another batch by batch.

    Raises
    ------
    StaleStreamPosition
        If the position of the partition is not `first_offset`.
    """
    moved = connection.execute(
        "UPDATE stream_offset SET next_offset = %s, ingestid = %s, updated_at = now()"
        ' WHERE topic = %s AND "partition" = %s AND next_offset = %s',
        (next_offset, ingestid, topic, partition, first_offset),
    )
    if moved.rowcount != 1:
        raise StaleStreamPosition(f"partition {partition} of {topic} is not at {first_offset}")
    connection.execute(
        'INSERT INTO stream_gap (topic, "partition", first_offset, next_offset, reason, ingestid)'
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (topic, partition, first_offset, next_offset, reason, ingestid),
    )
    attempts.forget(connection, topic, partition)


def add_archive_files(
    connection: psycopg.Connection[Any], ingestid: int, files: Sequence[ArchiveFileEntry]
) -> list[int]:
    """Record archive files of a batch; return an `archivefileid` for each, in their order."""
    ids = []
    for file in files:
        row = connection.execute(
            "INSERT INTO archive_file (ingestid, topic, night, url, packets, bytes, sha256, schema) VALUES"
            " (%(ingestid)s, %(topic)s, %(night)s, %(url)s, %(packets)s, %(bytes)s, %(sha256)s, %(schema_id)s)"
            " RETURNING archivefileid",
            file.model_dump() | {"ingestid": ingestid},
        ).fetchone()
        if row is None:
            raise LookupError("PostgreSQL returned no archivefileid")
        ids.append(int(row[0]))
    return ids


def archive_files(
    connection: psycopg.Connection[Any], *, night: datetime.date | None = None, topic: str | None = None
) -> list[tuple[int, int, ArchiveFileEntry]]:
    """List archive files in the order in which they were written: (`archivefileid`, `ingestid`, entry)."""
    rows = connection.execute(
        "SELECT archivefileid, ingestid, topic, night, url, packets, bytes, sha256, schema FROM archive_file"
        " WHERE (%(night)s::date IS NULL OR night = %(night)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)"
        " ORDER BY ingestid, archivefileid",
        {"night": night, "topic": topic},
    )
    names = ("topic", "night", "url", "packets", "bytes", "sha256", "schema_id")
    return [(row[0], row[1], ArchiveFileEntry(**dict(zip(names, row[2:], strict=True)))) for row in rows]


def known_archive_urls(connection: psycopg.Connection[Any], urls: Sequence[str]) -> set[str]:
    """Return which of some files are in the ledger; others are left from a crash."""
    rows = connection.execute("SELECT url FROM archive_file WHERE url = ANY(%s)", (list(urls),))
    return {row[0] for row in rows}


_BATCH: Final = (
    "ingestid, run_id, topic, kind, code_version, started_at, finished_at, received, stored, duplicate, quarantined,"
    " bytes, read_seconds, decode_seconds, archive_seconds, write_seconds, latency_p50, latency_p90, latency_p99,"
    " latency_max"
)

RECENT_BATCHES = 10_000
"""Number of newest batches among which those of a run, or the newest of each topic, are searched."""


def last_batches(connection: psycopg.Connection[Any], *, limit: int = 10, topic: str | None = None) -> list[Batch]:
    """List the newest batches, newest first."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        cursor.execute(
            f"SELECT {_BATCH} FROM ingest_batch"  # noqa: S608 - our own names
            " WHERE %(topic)s::text IS NULL OR topic = %(topic)s ORDER BY ingestid DESC LIMIT %(limit)s",
            {"topic": topic, "limit": limit},
        )
        return cursor.fetchall()


def newest_by_topic(connection: psycopg.Connection[Any]) -> list[Batch]:
    """The newest batch of each topic that had one among the last `RECENT_BATCHES`, by topic."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        cursor.execute(
            f"SELECT DISTINCT ON (topic) {_BATCH} FROM ingest_batch"  # noqa: S608 - our own names
            " WHERE ingestid > (SELECT coalesce(max(ingestid), 0) FROM ingest_batch) - %s"
            " ORDER BY topic, ingestid DESC",
            (RECENT_BATCHES,),
        )
        return cursor.fetchall()


def runs_with_batches(connection: psycopg.Connection[Any], run_ids: Sequence[str]) -> set[str]:
    """Return which of some recent runs have committed a batch."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM (SELECT run_id FROM ingest_batch ORDER BY ingestid DESC LIMIT %s) AS recent"
        " WHERE run_id = ANY(%s)",
        (RECENT_BATCHES, list(run_ids)),
    )
    return {row[0] for row in rows}

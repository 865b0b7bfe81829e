"""Answers to "why": where a row comes from, down to the message and the code."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.accounting.ledger import Range


class Why(BaseModel):
    """Where a source comes from."""

    model_config = ConfigDict(frozen=True)

    diasourceid: int
    """The source."""
    diaobjectid: int
    """Its DIAObject; 0 if it has none."""
    ssobjectid: int | None
    """Its solar-system object, if any."""
    survey: int
    """Survey: 1 Rubin, 2 ZTF, 3 ELAsTiCC."""
    midpointmjdtai: float
    """Time of the exposure, MJD TAI."""
    night: datetime.date | None
    """Night of the packet that contained it."""
    ingestid: int | None
    """Batch that wrote the row."""
    kind: str | None
    """Origin of the messages of the batch: stream, reprocess or retry."""
    topic: str | None
    """Kafka topic."""
    code_version: str | None
    """Version of the code that made the row."""
    run_id: str | None
    """Dagster run that wrote the batch."""
    started_at: datetime.datetime | None
    """When the batch began."""
    finished_at: datetime.datetime | None
    """When the row was written."""
    triggered: bool
    """Whether the source has its own packet; otherwise it was received in the history of another one."""
    broughtby: int | None
    """Source whose packet brought the row: itself, or the earliest packet with the source in its history."""
    archivefileid: int | None
    """Archive file of that packet."""
    archive_url: str | None
    """URL of that file."""
    archive_sha256: str | None
    """SHA-256 of that file."""
    archiveposition: int | None
    """Position of the packet in it, byte. The block there contains Kafka partition and offset of the message."""
    archivelength: int | None
    """Length of the packet's block, byte."""
    archive_schema: str | None
    """Identifier of the Avro schema of the packet."""
    archive_ingestid: int | None
    """Batch that received the packet from Kafka; after reprocessing, different from `ingestid`."""
    ranges: tuple[Range, ...] = ()
    """Offsets of that batch, by partition; the message is one of them."""


def why(connection: psycopg.Connection[Any], diasourceid: int) -> list[Why]:
    """Find where a source comes from.

    Returns
    -------
    list of Why
        One for each row of the source, since the survey may have moved it to another object. Empty if there is none.
    """
    with connection.cursor(row_factory=class_row(Why)) as cursor:
        cursor.execute(
            "SELECT diasourceid, diaobjectid, ssobjectid, survey, midpointmjdtai, source.night, source.ingestid, kind,"
            " batch.topic, code_version, run_id, started_at, finished_at,"
            " source.archivefileid IS NOT NULL AS triggered, source.broughtby,"
            " packet.archivefileid, url AS archive_url, sha256 AS archive_sha256, packet.archiveposition,"
            " packet.archivelength, schema AS archive_schema, file.ingestid AS archive_ingestid"
            " FROM diasources AS source LEFT JOIN ingest_batch AS batch ON batch.ingestid = source.ingestid"
            # The packet's object may be another one: it is found by its source and its time.
            " LEFT JOIN LATERAL (SELECT archivefileid, archiveposition, archivelength FROM diasources AS own"
            " WHERE own.diasourceid = source.broughtby AND own.midpointmjdtai = source.broughtbymjdtai"
            " AND own.archivefileid IS NOT NULL ORDER BY own.diaobjectid = source.diaobjectid DESC LIMIT 1)"
            " AS packet ON true LEFT JOIN archive_file AS file ON file.archivefileid = packet.archivefileid"
            " WHERE diasourceid = %s ORDER BY midpointmjdtai, diaobjectid",
            (diasourceid,),
        )
        found = cursor.fetchall()
    return [
        item.model_copy(update={"ranges": _ranges(connection, item.archive_ingestid or item.ingestid)})
        for item in found
    ]


def _ranges(connection: psycopg.Connection[Any], ingestid: int | None) -> tuple[Range, ...]:
    with connection.cursor(row_factory=class_row(Range)) as cursor:
        cursor.execute(
            'SELECT "partition", first_offset, next_offset, received FROM ingest_batch_range WHERE ingestid = %s'
            ' ORDER BY "partition"',
            (ingestid,),
        )
        return tuple(cursor.fetchall())

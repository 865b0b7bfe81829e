"""Whether the ledger balances. Each function returns the rows that contradict it; the desired result is empty.

They compare sets within the database, independent of its size, and are used by the asset checks.
"""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict


class Imbalance(BaseModel):
    """A contradiction with the ledger."""

    model_config = ConfigDict(frozen=True)

    subject: str
    """The subject: a batch, a partition, a night, a file."""
    expected: int
    """Number required by the ledger."""
    found: int
    """Number found."""
    detail: str
    """What the numbers count."""


Nights = tuple[datetime.date, datetime.date] | None
"""First and last night to check; None means all."""


def batches(connection: psycopg.Connection[Any], *, first: int = 0) -> list[Imbalance]:
    """Batches with contradictory numbers: messages received, their outcomes, ranges, nights, and quarantine.

    Only alerts have nights, and only they, notices and annotations that are read from Kafka have ranges.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    first : int
        Batches before this `ingestid` are ignored.
    """
    return _rows(
        connection,
        """
        WITH batch AS (SELECT * FROM ingest_batch WHERE ingestid >= %(first)s),
        night AS (
            SELECT ingestid, sum(stored) AS stored, sum(duplicate) AS duplicate
            FROM ingest_batch_night WHERE ingestid >= %(first)s GROUP BY ingestid
        ),
        span AS (
            SELECT ingestid, sum(received) AS received FROM ingest_batch_range
            WHERE ingestid >= %(first)s GROUP BY ingestid
        ),
        held AS (SELECT ingestid, count(*) AS held FROM quarantine WHERE ingestid >= %(first)s GROUP BY ingestid),
        claim AS (
            SELECT ingestid, received, stored + duplicate + quarantined,
                   'received = stored + duplicate + quarantined'
            FROM batch
            UNION ALL
            SELECT ingestid, batch.stored, coalesce(night.stored, 0), 'packets stored, by night'
            FROM batch LEFT JOIN night USING (ingestid)
            WHERE kind IN ('stream', 'reprocess') OR (kind = 'retry' AND night.ingestid IS NOT NULL)
            UNION ALL
            SELECT ingestid, batch.duplicate, coalesce(night.duplicate, 0), 'duplicates, by night'
            FROM batch LEFT JOIN night USING (ingestid)
            WHERE kind IN ('stream', 'reprocess') OR (kind = 'retry' AND night.ingestid IS NOT NULL)
            UNION ALL
            SELECT ingestid, batch.received, coalesce(span.received, 0), 'messages received, by partition'
            FROM batch LEFT JOIN span USING (ingestid)
            WHERE kind IN ('stream', 'notice') OR (kind = 'annotation' AND span.received IS NOT NULL)
            UNION ALL
            SELECT ingestid, quarantined, coalesce(held, 0), 'quarantined messages'
            FROM batch LEFT JOIN held USING (ingestid) WHERE kind IN ('stream', 'notice', 'annotation')
        )
        SELECT 'batch ' || ingestid AS subject, expected, found, detail
        FROM claim AS claim (ingestid, expected, found, detail)
        WHERE expected <> found ORDER BY ingestid, detail
        """,
        {"first": first},
    )


def offsets(connection: psycopg.Connection[Any], *, topic: str | None = None) -> list[Imbalance]:
    """Kafka partitions whose ranges and gaps do not follow one another, batch by batch, up to the position."""
    return _rows(
        connection,
        """
        WITH piece AS (
            SELECT topic, "partition", ingestid, first_offset, next_offset FROM ingest_batch_range
            WHERE %(topic)s::text IS NULL OR topic = %(topic)s
            UNION ALL
            SELECT topic, "partition", ingestid, first_offset, next_offset FROM stream_gap
            WHERE %(topic)s::text IS NULL OR topic = %(topic)s
        ),
        chain AS (
            SELECT topic, "partition", next_offset AS expected, lead(first_offset) OVER later AS found
            FROM piece WINDOW later AS (PARTITION BY topic, "partition" ORDER BY ingestid, first_offset)
        ),
        position AS (
            SELECT DISTINCT ON (topic, "partition") topic, "partition", piece.next_offset AS found,
                   stream_offset.next_offset AS expected
            FROM stream_offset LEFT JOIN piece USING (topic, "partition")
            WHERE %(topic)s::text IS NULL OR topic = %(topic)s
            ORDER BY topic, "partition", piece.ingestid DESC NULLS LAST, first_offset DESC
        ),
        claim AS (
            SELECT topic, "partition", expected, found, 'offset at which the next range begins' FROM chain
            WHERE found IS NOT NULL
            UNION ALL
            SELECT topic, "partition", expected, coalesce(found, -1), 'offset at which the last range ends'
            FROM position
        )
        SELECT topic || '/' || "partition" AS subject, expected, found, detail
        FROM claim AS claim (topic, "partition", expected, found, detail)
        WHERE expected <> found ORDER BY subject, expected
        """,
        {"topic": topic},
    )


def stored_rows(connection: psycopg.Connection[Any], *, nights: Nights = None) -> list[Imbalance]:
    """Nights whose number of sources with an archive position differs from the number stored in the ledger.

    For a reprocessed night, only the batches from its last reprocessing on count, since that replaced the rows.
    """
    return _rows(
        connection,
        """
        WITH entry AS (
            SELECT night, topic, ingestid, kind, ingest_batch_night.stored
            FROM ingest_batch_night JOIN ingest_batch USING (ingestid)
            WHERE (%(first)s::date IS NULL OR night BETWEEN %(first)s AND %(last)s)
        ),
        last AS (
            SELECT night, topic, coalesce(max(ingestid) FILTER (WHERE kind = 'reprocess'), 0) AS since
            FROM entry GROUP BY night, topic
        ),
        ledger AS (
            SELECT night, sum(stored) AS expected FROM entry JOIN last USING (night, topic)
            WHERE ingestid >= since GROUP BY night
        ),
        rows AS (
            SELECT night, count(*) AS found FROM diasources
            WHERE archivefileid IS NOT NULL AND (%(first)s::date IS NULL OR night BETWEEN %(first)s AND %(last)s)
            GROUP BY night
        )
        SELECT 'night ' || night AS subject, coalesce(expected, 0) AS expected, coalesce(found, 0) AS found,
               'sources with an archive position' AS detail
        FROM ledger FULL JOIN rows USING (night)
        WHERE coalesce(expected, 0) <> coalesce(found, 0) ORDER BY night
        """,
        _between(nights),
    )


def archived_packets(connection: psycopg.Connection[Any], *, nights: Nights = None) -> list[Imbalance]:
    """Batches from Kafka that did not archive every packet they could read, by night."""
    return _rows(
        connection,
        """
        WITH entry AS (
            SELECT ingestid, night, ingest_batch_night.stored + ingest_batch_night.duplicate AS expected
            FROM ingest_batch_night JOIN ingest_batch USING (ingestid)
            WHERE kind <> 'reprocess' AND (%(first)s::date IS NULL OR night BETWEEN %(first)s AND %(last)s)
        ),
        file AS (
            SELECT ingestid, night, sum(packets) AS found FROM archive_file
            WHERE (%(first)s::date IS NULL OR night BETWEEN %(first)s AND %(last)s) GROUP BY ingestid, night
        )
        SELECT 'batch ' || ingestid || ', night ' || night AS subject, coalesce(expected, 0) AS expected,
               coalesce(found, 0) AS found, 'packets in the archive' AS detail
        FROM entry FULL JOIN file USING (ingestid, night)
        WHERE coalesce(expected, 0) <> coalesce(found, 0) ORDER BY ingestid, night
        """,
        _between(nights),
    )


def archive_positions(connection: psycopg.Connection[Any], *, nights: Nights = None) -> list[Imbalance]:
    """Nights with sources whose archive file is not in the ledger, or at an archive position of another source."""
    return _rows(
        connection,
        """
        WITH source AS (
            SELECT night, archivefileid, archiveposition FROM diasources
            WHERE archivefileid IS NOT NULL AND (%(first)s::date IS NULL OR night BETWEEN %(first)s AND %(last)s)
        ),
        lost AS (
            SELECT night, count(*) AS found FROM source
            WHERE NOT EXISTS (SELECT FROM archive_file WHERE archive_file.archivefileid = source.archivefileid)
            GROUP BY night
        ),
        shared AS (
            SELECT night, count(*) - count(DISTINCT (archivefileid, archiveposition)) AS found
            FROM source GROUP BY night
        )
        SELECT 'night ' || night AS subject, 0 AS expected, found, 'sources without archive file' AS detail FROM lost
        UNION ALL
        SELECT 'night ' || night, 0, found, 'sources at the archive position of another' FROM shared WHERE found > 0
        ORDER BY subject
        """,
        _between(nights),
    )


def _between(nights: Nights) -> dict[str, datetime.date | None]:
    first, last = nights or (None, None)
    return {"first": first, "last": last}


def _rows(connection: psycopg.Connection[Any], query: str, values: dict[str, Any]) -> list[Imbalance]:
    with connection.cursor(row_factory=class_row(Imbalance)) as cursor:
        cursor.execute(query.encode(), values)
        return cursor.fetchall()

"""Attempts to process messages: which positions of a stream have ended the process that read them.

An exception can be caught, but not the end of a process (a fault in compiled code, the memory limit of a container).
The next run would read the same messages and end the same way, again and again. So a consumer records that it begins
(`begin`), in a separate transaction, before it examines messages. The entry is removed when the position has passed it
(by `ledger.advance` and `ledger.record_gap`), or when the run ends properly (`release`). Entries of other runs that a
run finds after it has locked the partitions belong to runs that died.

The protocol of a consumer:

1. lock the partitions; `suspects` says what earlier runs left: up to which offset to continue one message at a time,
and which messages to quarantine without decoding them; 2. before each batch is decoded, `begin` with its ranges,
without condemned messages, and commit; 3. write the batch and `ledger.advance` in one transaction; 4. however the run
ends, also by an exception, but not if its process dies: `release`.

A run counts once per range, however often it tries: failures that a run survives do not end the process.
All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.settings import AttemptSettings


@dataclass(frozen=True)
class Suspect:
    """What runs that died left behind at a Kafka partition."""

    until: int
    """Messages before this offset are to be processed one at a time; 0 if all may go in batches."""
    condemned: Mapping[int, int] = field(default_factory=dict)
    """Offsets of messages to be quarantined without being decoded, with the number of runs that each ended."""

    def reason(self, offset: int) -> str:
        """Reason for the quarantine of a condemned message."""
        return f"{self.condemned[offset]} runs died while they processed this message alone; it was not read again"


def begin(connection: psycopg.Connection[Any], topic: str, ranges: Mapping[int, tuple[int, int]], run_id: str) -> None:
    """Record that a run begins to process messages.

    Parameters
    ----------
    connection : psycopg.Connection
        Its transaction must be committed before the messages are decoded.
    topic : str
        Name of the stream.
    ranges : mapping of int to (int, int)
        By Kafka partition: offset of the first message, and offset after the last.
    run_id : str
        Unique identifier of the run.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO stream_attempt AS known (topic, "partition", "offset", next_offset, attempts, run_id)'
            " VALUES (%s, %s, %s, %s, 1, %s)"
            ' ON CONFLICT (topic, "partition", "offset", next_offset) DO UPDATE SET run_id = excluded.run_id,'
            " attempts = known.attempts + (known.run_id IS DISTINCT FROM excluded.run_id)::int,"
            " started_at = clock_timestamp()",
            [(topic, partition, first, end, run_id) for partition, (first, end) in sorted(ranges.items())],
        )


def suspects(
    connection: psycopg.Connection[Any], topic: str, positions: Mapping[int, int], settings: AttemptSettings
) -> dict[int, Suspect]:
    """Partitions at which runs have died.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection whose session holds the locks of the partitions, so that no other run is processing them.
    topic : str
        Name of the stream.
    positions : mapping of int to int
        Next offset of each Kafka partition.
    settings : AttemptSettings
        Number of runs that must have died.

    Returns
    -------
    dict of int to Suspect
        Only partitions that need care.
    """
    found: dict[int, Suspect] = {}
    for partition, position in positions.items():
        # A message was alone if the run that died last had begun nothing else, also of other partitions. What else
        # earlier runs had begun is no longer known, since entries only name the last run.
        entries = connection.execute(
            'SELECT "offset", next_offset, attempts, next_offset = "offset" + 1 AND of_run = 1'
            " AND run_id = first_value(run_id) OVER (ORDER BY started_at DESC) AS alone"
            " FROM (SELECT *, count(*) OVER (PARTITION BY run_id) AS of_run FROM stream_attempt WHERE topic = %s)"
            ' WHERE "partition" = %s AND next_offset > %s',
            (topic, partition, position),
        ).fetchall()
        condemned = {
            first: attempts for first, _, attempts, alone in entries if alone and attempts >= settings.condemn_after
        }
        # The ranges of runs differ, since batches end by time: all that contain the first message count (there may be
        # none at the position itself). Those further on were in flight at the same time as one of these.
        start = max(position, min((first for first, *_ in entries), default=position))
        died = sum(attempts for first, _, attempts, _ in entries if first <= start)
        if condemned or died >= settings.narrow_after:
            found[partition] = Suspect(max(end for _, end, *_ in entries), condemned)
    return found


def forget(connection: psycopg.Connection[Any], topic: str, partition: int, passed: int | None = None) -> None:
    """Remove the entries of a partition that end at or before an offset; by default, all."""
    connection.execute(
        'DELETE FROM stream_attempt WHERE topic = %s AND "partition" = %s'
        " AND (%s::bigint IS NULL OR next_offset <= %s)",
        (topic, partition, passed, passed),
    )


def release(connection: psycopg.Connection[Any], topic: str, run_id: str) -> None:
    """Remove the attempts of a run that ends properly, whether with success or with an exception."""
    connection.execute("DELETE FROM stream_attempt WHERE topic = %s AND run_id = %s AND attempts = 1", (topic, run_id))
    connection.execute(
        "UPDATE stream_attempt SET attempts = attempts - 1, run_id = NULL WHERE topic = %s AND run_id = %s",
        (topic, run_id),
    )

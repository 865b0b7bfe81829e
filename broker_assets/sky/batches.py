"""Batches of the stream that are under way, seen by those who change what is matched.

A batch looks at the index in force when it begins. One that began before an index was replaced may commit objects after
past objects have been matched again, and neither would match them. So batches mark themselves by a shared lock, and a
re-match first waits for those that it found under way. New batches never wait.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

_LOCK = "broker_assets.sky batch"
PAUSE = 0.05
"""Seconds between two looks."""


class BatchesDoNotEnd(TimeoutError):
    """A batch of the stream has been under way for too long; try again later."""


def begin_batch(connection: psycopg.Connection[Any]) -> None:
    """Mark the transaction as a batch that is about to look at the indices; it ends with the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", (_LOCK,))


def wait_for_batches(connection: psycopg.Connection[Any], *, seconds: float = 900.0) -> None:
    """Wait until every batch that is under way now has ended.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a batch.
    seconds : float
        Longest wait.

    Raises
    ------
    BatchesDoNotEnd
        If one is still under way then.
    """
    deadline = time.monotonic() + seconds
    waiting = _under_way(connection)
    while waiting:
        if time.monotonic() > deadline:
            raise BatchesDoNotEnd(f"{len(waiting)} batch(es) of the stream have been under way for {seconds:.0f} s")
        time.sleep(PAUSE)
        waiting &= _under_way(connection)


def _under_way(connection: psycopg.Connection[Any]) -> set[str]:
    return {
        row[0]
        for row in connection.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
            " AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(%s, 0)"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND pid <> pg_backend_pid()",
            (_LOCK,),
        )
    }

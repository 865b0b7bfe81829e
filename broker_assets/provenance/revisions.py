"""A number for every change of what alerts are compared with, and coordination with batches that run during a change.

Lists, filters, annotations, rows of TNS and catalogues change while the stream runs. Each change takes the next number
of one counter and holds the counter until it commits, so the numbers are in the order of the commits: a reader of the
number n sees every change up to n. Rows are kept with the numbers from which and to which they hold; "as of n" is `from
<= n < to`. No clocks are used.

A batch of the stream reads the number when it writes and records it. A change that commits just afterwards cannot see
the objects of that batch, and the batch does not see the change. So batches mark themselves with a shared lock before
they read the number, and code that updates stored rows after a change first waits for the batches that are running
then. New batches never wait.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from broker_assets.database.turns import turn_is_free

_LOCK = "broker_assets batch"
PAUSE = 0.05
"""Seconds between two checks."""


class BatchesDoNotEnd(TimeoutError):
    """A batch of the stream has been running for too long; try again later."""


def next_revision(connection: psycopg.Connection[Any]) -> int:
    """Take the number of a change, in the transaction that makes it.

    Other changes wait until that transaction ends, so it should be taken late.

    Raises
    ------
    LookupError
        If the database is not migrated.
    """
    row = connection.execute("UPDATE revision_counter SET value = value + 1 RETURNING value").fetchone()
    if row is None:
        raise LookupError("revision_counter has no row: the database is not migrated")
    return int(row[0])


def current_revision(connection: psycopg.Connection[Any]) -> int:
    """Number of the newest change that is visible to the connection.

    Raises
    ------
    LookupError
        If the database is not migrated.
    """
    row = connection.execute("SELECT value FROM revision_counter").fetchone()
    if row is None:
        raise LookupError("revision_counter has no row: the database is not migrated")
    return int(row[0])


def begin_batch(connection: psycopg.Connection[Any]) -> int:
    """Mark the transaction as a batch, and return the number of the newest change, which it must take into account.

    The mark ends with the transaction. In isolation level READ COMMITTED, the default, every statement after this one
    sees at least the changes up to this number.
    """
    connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", (_LOCK,))
    return current_revision(connection)


def wait_for_batches(connection: psycopg.Connection[Any], *, seconds: float = 900.0) -> None:
    """Wait until every batch that is running now has ended.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a batch.
    seconds : float
        Longest wait.

    Raises
    ------
    BatchesDoNotEnd
        If one is still running then.
    """
    deadline = time.monotonic() + seconds
    waiting = _under_way(connection)
    while waiting:
        if time.monotonic() > deadline:
            raise BatchesDoNotEnd(f"{len(waiting)} batch(es) of the stream have been under way for {seconds:.0f} s")
        time.sleep(PAUSE)
        waiting &= _under_way(connection)


def newest_number(connection: psycopg.Connection[Any], table: str, column: str) -> int:
    """The newest number that the sequence of a column has assigned, or 0; its row may not be visible yet.

    A transaction gets numbers before its rows are visible: all rows up to this number are visible after
    `wait_for_writers`.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    table, column : str
        An identity column.
    """
    row = connection.execute(
        "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass), 0)", (table, column)
    ).fetchone()
    return int(row[0]) if row is not None else 0


def wait_for_writers(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Wait until every transaction that is writing now has ended.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    seconds : float
        How long at most.

    Raises
    ------
    BatchesDoNotEnd
        If one takes longer."""
    row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    deadline = time.monotonic() + seconds
    while row is not None:
        ended = connection.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= %s", (row[0],)
        ).fetchone()
        if ended is not None and ended[0]:
            return
        if time.monotonic() > deadline:
            raise BatchesDoNotEnd(f"a transaction has been under way for {seconds:g} s; try again later")
        time.sleep(PAUSE)


def alone(connection: psycopg.Connection[Any], *, seconds: float) -> bool:
    """Keep batches out until the transaction ends, if there is a moment without any.

    For short work that must not overlap with a batch. Batches that begin in the meantime wait for the end of the
    transaction; nothing waits while such a moment is sought.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction that has not begun a batch.
    seconds : float
        How long to wait for such a moment.

    Returns
    -------
    bool
        Whether there was one."""
    deadline = time.monotonic() + seconds
    while True:
        if turn_is_free(connection, _LOCK):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)


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

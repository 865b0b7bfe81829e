"""Partitions of the tables that grow with the survey: one per calendar month of the exposure time, created on demand.

A row whose month has no partition goes to the default one, so nothing is ever rejected; creating the partition of that
month later moves it. A partition is built separately and then attached, so that readers and writers of other months
can continue; if a long query has the table locked, the creation is postponed instead of making everybody wait for it.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import ArrayLike, NDArray
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker_assets import backoff
from broker_assets.database.tables import PARTITIONED

logger = logging.getLogger(__name__)

FIRST_MONTH = np.datetime64("2000-01", "M")
"""Rows before this month stay in the default partition: their time is an error in the packet."""
LAST_MONTH = np.datetime64("2069-12", "M")
"""Rows after this month stay in the default partition."""

LOCK_SPACE = 0x6D6A64
"""Class of the advisory locks under which partitions are created."""

LOCK_SECONDS = 1.0
"""Seconds that readers may have to wait for the creation of a partition, at most."""
ATTEMPTS = 3

_MJD_EPOCH = np.datetime64("1858-11-17", "D")


def months(mjd: ArrayLike) -> NDArray[np.datetime64]:
    """Return the calendar months of times that get partitions.

    Parameters
    ----------
    mjd : (n,) float64 array
        Times, MJD TAI; those that are not finite or implausible are ignored.

    Examples
    --------
    >>> months([60000.0, 60000.5, 60010.0, float("nan")])
    array(['2023-02', '2023-03'], dtype='datetime64[M]')
    """
    times = np.asarray(mjd, np.float64)
    times = times[(times >= month_start(FIRST_MONTH)) & (times < month_start(LAST_MONTH + 1))]
    days = np.unique(np.floor(times).astype(np.int64))
    return np.unique((_MJD_EPOCH + days.astype("timedelta64[D]")).astype("datetime64[M]"))


def month_start(month: np.datetime64) -> float:
    """Return the MJD at which a calendar month begins.

    Examples
    --------
    >>> month_start(np.datetime64("2023-02"))
    59976.0
    """
    return float((month.astype("datetime64[D]") - _MJD_EPOCH).astype(np.int64))


def partition_name(table: sa.Table, month: np.datetime64) -> str:
    """Return the name of the partition of a month.

    Examples
    --------
    >>> partition_name(PARTITIONED[0], np.datetime64("2023-02"))
    'diasources_2023_02'
    """
    return f"{table.name}_{str(month).replace('-', '_')}"


def ensure(
    connection: psycopg.Connection[Any], mjd: ArrayLike, *, tables: tuple[sa.Table, ...] = PARTITIONED
) -> list[str]:
    """Create the partitions of times that have none yet, in separate transactions.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction.
    mjd : (n,) float64 array
        Times of the rows to be written, MJD TAI.
    tables : tuple of Table
        Tables that need them.

    Returns
    -------
    list of str
        Partitions created. One that could not be attached because a long query had the table locked is omitted and
        logged; its rows go to the default partition until a later call creates it.

    Raises
    ------
    RuntimeError
        If the connection is in a transaction.
    """
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise RuntimeError("partitions are created outside of transactions: commit first")
    wanted = {partition_name(table, month): (table, month) for month in months(mjd) for table in tables}
    made = []
    for name in _missing(connection, list(wanted)):
        table, month = wanted[name]
        if _make(connection, table, month, name):
            made.append(name)
    return made


def _missing(connection: psycopg.Connection[Any], names: list[str]) -> list[str]:
    with connection.transaction():
        rows = connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS wanted (name) LEFT JOIN pg_inherits"
            " ON inhrelid = to_regclass(name) WHERE inhrelid IS NULL ORDER BY name",
            (names,),
        ).fetchall()
    return [row[0] for row in rows]


def _make(connection: psycopg.Connection[Any], table: sa.Table, month: np.datetime64, name: str) -> bool:
    def attempt() -> bool:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK_SPACE, table.name))
            # Another process may have created it while this one waited for the lock.
            if not _missing(connection, [name]):
                return False
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(LOCK_SECONDS * 1000)}ms",))
            attach(connection, table, month, name)
            return True

    is_locked = retry_if_exception_type(psycopg.errors.LockNotAvailable)
    attempts = Retrying(retry=is_locked, stop=stop_after_attempt(ATTEMPTS), wait=backoff.LOCK, reraise=True)
    try:
        return attempts(attempt)
    except psycopg.errors.LockNotAvailable:
        logger.warning("creation of partition %s is postponed: %s is locked by a long query", name, table.name)
        return False


def attach(connection: psycopg.Connection[Any], table: sa.Table, month: np.datetime64, name: str) -> None:
    """Create the partition of a month and attach it, in the caller's transaction."""
    lower, upper = month_start(month), month_start(month + 1)
    names = {
        "partition": sql.Identifier(name),
        "parent": sql.Identifier(table.name),
        "default": sql.Identifier(f"{table.name}_default"),
        "check": sql.Identifier(f"{name}_range"),
        "lower": sql.Literal(lower),
        "upper": sql.Literal(upper),
    }

    def run(statement: str) -> None:
        connection.execute(sql.SQL(statement).format(**names))

    run(
        "CREATE TABLE {partition} (LIKE {parent} INCLUDING COMMENTS INCLUDING DEFAULTS INCLUDING STORAGE"
        " INCLUDING INDEXES)"
    )
    # The default partition is locked first and the rows of the month moved: attaching fails if they overlap.
    run("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
    run(
        "WITH moved AS (DELETE FROM {default} WHERE midpointmjdtai >= {lower} AND midpointmjdtai < {upper} RETURNING *)"
        " INSERT INTO {partition} SELECT * FROM moved"
    )
    # Equal to the bounds, so that PostgreSQL need not read the new partition while it holds the lock.
    run(
        "ALTER TABLE {partition} ADD CONSTRAINT {check}"
        " CHECK (midpointmjdtai IS NOT NULL AND midpointmjdtai >= {lower} AND midpointmjdtai < {upper})"
    )
    run("ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({lower}) TO ({upper})")
    run("ALTER TABLE {partition} DROP CONSTRAINT {check}")

"""Moves months out of the database: proven to be in the cold store, then detached, and only later dropped.

A month leaves when its partition is exchanged for an empty one, in which later points are stored until they leave in
the same way. A detached partition stays in a schema of its own for some days and is then dropped.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker_assets import backoff
from broker_assets.accounting.facts import row_hashes
from broker_assets.database import border, partitions
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.border import TIME, Conditions
from broker_assets.database.tables import PARTITIONED

SCHEMA: Final = "detached"
"""Schema of partitions that have left and are not dropped yet."""
ROWS: Final = 1_000_000
"""Approximate number of rows of a month that are compared at a time, by ranges of objects."""
ATTEMPTS: Final = 5

Month = np.datetime64


@dataclass(frozen=True)
class Proof:
    """Content of a month, in the database and in the cold store."""

    table: str
    month: str
    """Key `YYYY-MM`."""
    rows: int
    checksum: int
    """Sum of the hashes of the rows that readers find, modulo 2⁶⁴."""
    cold_rows: int
    cold_checksum: int
    """Sum of the hashes of the rows in the cold store, modulo 2⁶⁴."""
    nights: tuple[str, ...] = ()
    """Nights whose rows differ and must be written again."""

    @property
    def equal(self) -> bool:
        """Whether the cold store has the same rows."""
        return (self.rows, self.checksum) == (self.cold_rows, self.cold_checksum) and not self.nights


class NotEqual(ValueError):
    """A month cannot leave: the cold store does not have the same rows."""


def due(connection: psycopg.Connection[Any], now: datetime.date, hot_months: int) -> list[Month]:
    """Months that should leave: older ones with rows, and those that gained or lost points after they had left.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    now : date
        Today.
    hot_months : int
        Number of months before the current one that stay.
    """
    limit = np.datetime64(now, "M") - hot_months
    names = {
        partitions.partition_name(table, month): month
        for table in PARTITIONED
        for month in _attached(connection, table)
    }
    old = sorted({month for month in names.values() if month < limit})
    lost = {
        np.datetime64(month, "M")
        for (month,) in connection.execute("SELECT DISTINCT month FROM cold_months WHERE moved <> '{}'")
    }
    found = []
    for month in old:
        leaves = [name for name, of_month in names.items() if of_month == month]
        if month in lost or any(_has_rows(connection, name) for name in leaves):
            found.append(month)
    return found


def prove(connection: psycopg.Connection[Any], table: sa.Table, month: Month) -> Proof:
    """Compare the rows that readers find for a month with those in the cold store.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with; the comparison is consistent if the transaction sees one snapshot.
    table : Table
        One of `PARTITIONED`.
    month : datetime64
        The month.
    """
    begins, ends = partitions.month_start(month), partitions.month_start(month + 1)
    of_month: list[list[border.Test]] = [[(TIME, ">=", begins)], [(TIME, "<", ends)]]
    location = _location(connection, table)
    here, there = _Sums(), _Sums()
    names = arrow_schema(table).names
    for low, high in _ranges(connection, table, _rows_of(connection, partitions.partition_name(table, month))):
        conditions: Conditions = [*of_month, [("diaobjectid", ">=", low)], [("diaobjectid", "<", high)]]
        here.add(border.rows(connection, table, names, conditions))
        if location is not None:
            there.add(border.cold_rows(table, names, conditions, location))
    differ = {
        night for night in here.nights.keys() | there.nights.keys() if here.nights.get(night) != there.nights.get(night)
    }
    return Proof(
        table.name, str(month), here.rows, here.checksum, there.rows, there.checksum,
        tuple(sorted(str(night) for night in differ)),
    )  # fmt: skip


def detach(connection: psycopg.Connection[Any], months: Sequence[Month]) -> list[Proof]:
    """Move months out of the database, all of them or none.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction.
    months : sequence of datetime64
        Months, including those that left before and have gained points since.

    Returns
    -------
    list of Proof
        One for each table and month that left.

    Raises
    ------
    NotEqual
        If the cold store does not have the same rows for one of them; nothing is then changed.
    RuntimeError
        If the connection is in a transaction.
    """
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise RuntimeError("months leave in a transaction of their own: commit first")
    proofs = []
    with connection.transaction():
        # Writers of these months wait until the comparison ends, readers do not.
        pairs = [
            (table, month) for table in PARTITIONED for month in sorted(months) if month in _attached(connection, table)
        ]
        for table, month in pairs:
            connection.execute(
                sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(partitions.partition_name(table, month)))
            )
        thawed = connection.execute("SELECT count(*) FROM cold_thawed").fetchone()
        left = _late(connection, months) if thawed and thawed[0] else []
        if left:
            raise NotEqual(f"nights were brought back, of which {left[0]} has points: these months must leave together")
        for table, month in pairs:
            proof = prove(connection, table, month)
            if not proof.equal:
                raise NotEqual(_said(proof))
            proofs.append(proof)
        for (table, month), proof in zip(pairs, proofs, strict=True):
            _exchange(connection, table, month)
            _record(connection, table, month, proof)
        if thawed and thawed[0]:
            connection.execute("DELETE FROM cold_thawed")
    return proofs


def drop_detached(connection: psycopg.Connection[Any], *, days: float) -> list[str]:
    """Drop partitions that left the database at least this number of days ago; return their names."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
        " AND to_timestamp(obj_description(oid, 'pg_class')::float8) < now() - make_interval(secs => %s) ORDER BY 1",
        (SCHEMA, days * 86_400),
    ).fetchall()
    for (name,) in rows:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(SCHEMA, name)))
    return [name for (name,) in rows]


def stale_nights(proofs: Sequence[Proof]) -> list[str]:
    """Nights that must be written to the cold store again before their months can leave."""
    return sorted({night for proof in proofs for night in proof.nights})


class _Sums:
    """Number and checksum of rows, by night."""

    def __init__(self) -> None:
        self.nights: dict[Any, tuple[int, int]] = {}

    def add(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        hashes = row_hashes(rows)
        days = rows["night"].cast(pa.int32()).fill_null(-(2**31)).to_numpy()
        for day in np.unique(days):
            chosen = hashes[days == day]
            key = np.datetime64(int(day), "D") if day > -(2**31) else None
            number, checksum = self.nights.get(key, (0, 0))
            total = (checksum + int(np.add.reduce(chosen, dtype=np.uint64))) % (1 << 64)
            self.nights[key] = (number + len(chosen), total)

    @property
    def rows(self) -> int:
        return sum(number for number, _ in self.nights.values())

    @property
    def checksum(self) -> int:
        return sum(checksum for _, checksum in self.nights.values()) % (1 << 64)


def _said(proof: Proof) -> str:
    nights = ", ".join(proof.nights[:3]) + (" …" if len(proof.nights) > 3 else "")
    return (
        f"{proof.table} of {proof.month}: {proof.rows:,} rows in the database and {proof.cold_rows:,} in the cold store"
        f" differ in the nights {nights or 'without a date'}; write these again (asset cold_night)"
    )


def _location(connection: psycopg.Connection[Any], table: sa.Table) -> str | None:
    row = connection.execute("SELECT metadata_location FROM cold_tables WHERE name = %s", (table.name,)).fetchone()
    return str(row[0]) if row else None


def _ranges(connection: psycopg.Connection[Any], table: sa.Table, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of objects that together cover all, for a month with this number of rows."""
    parts = -(-rows // ROWS) or 1
    inner: list[int] = []
    if parts > 1:
        row = connection.execute(
            "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY diaobjectid)"
            " FROM objects TABLESAMPLE SYSTEM (1)",
            ([number / parts for number in range(1, parts)],),
        ).fetchone()
        inner = sorted(set(row[0])) if row and row[0] else []
    yield from itertools.pairwise([-(2**63), *inner, 2**63 - 1])


def _attached(connection: psycopg.Connection[Any], table: sa.Table) -> list[Month]:
    """Months for which a table has a partition."""
    rows = connection.execute(
        "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
        " WHERE inhparent = to_regclass(%s)",
        (table.name,),
    ).fetchall()
    endings = (name.removeprefix(f"{table.name}_") for (name,) in rows)
    return sorted(np.datetime64(ending.replace("_", "-"), "M") for ending in endings if ending != "default")


def _rows_of(connection: psycopg.Connection[Any], name: str) -> int:
    """Number of rows of a partition; for a month that has left, of those that arrived since."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
    left = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM cold_months WHERE name || to_char(month, '_YYYY_MM') = %s", (name,)
    ).fetchone()
    return int(row[0] if row else 0) + int(left[0] if left else 0)


def _has_rows(connection: psycopg.Connection[Any], name: str) -> bool:
    row = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))).fetchone()
    return bool(row and row[0])


def _late(connection: psycopg.Connection[Any], months: Sequence[Month]) -> list[str]:
    """Months, other than these, that have left and nevertheless have points in the database."""
    rows = connection.execute("SELECT name, month::text FROM cold_months ORDER BY month, name").fetchall()
    found = []
    for name, day in rows:
        month = np.datetime64(day, "M")
        leaf = f"{name}_{str(month).replace('-', '_')}"
        if month not in months and _has_rows(connection, leaf):
            found.append(str(month))
    return found


def _exchange(connection: psycopg.Connection[Any], table: sa.Table, month: Month) -> None:
    """Put an empty partition in place of that of a month."""
    name = partitions.partition_name(table, month)
    row = connection.execute("SELECT extract(epoch FROM now())::float8").fetchone()
    now = float(row[0]) if row else 0.0
    away = f"{name}_{now * 1000:.0f}"
    parts = {
        "parent": sql.Identifier(table.name),
        "leaf": sql.Identifier(name),
        "away": sql.Identifier(away),
        "schema": sql.Identifier(SCHEMA),
        "comment": sql.Literal(f"{now!r}"),
    }

    def run(statement: str) -> None:
        connection.execute(sql.SQL(statement).format(**parts))

    @contextmanager
    def short() -> Iterator[None]:
        with connection.transaction():
            connection.execute(
                "SELECT set_config('lock_timeout', %s, true)", (f"{round(partitions.LOCK_SECONDS * 1000)}ms",)
            )
            yield

    for attempt in Retrying(
        retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=backoff.LOCK,
        reraise=True,
    ):
        with attempt, short():
            run("ALTER TABLE {parent} DETACH PARTITION {leaf}")
    run("ALTER TABLE {leaf} RENAME TO {away}")
    # It is kept for its rows; its indices would have the names of those of the next partition.
    indices = connection.execute(
        "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = to_regclass(%s)",
        (away,),
    )
    for (index,) in indices.fetchall():
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
    run("ALTER TABLE {away} SET SCHEMA {schema}")
    # The time at which it left, by which it is dropped later, is stored as the comment of the table.
    connection.execute(sql.SQL("COMMENT ON TABLE {}.{} IS {}").format(parts["schema"], parts["away"], parts["comment"]))
    partitions.attach(connection, table, month, name)


def _record(connection: psycopg.Connection[Any], table: sa.Table, month: Month, proof: Proof) -> None:
    connection.execute(
        "INSERT INTO cold_months (name, month, begins, ends, rows, checksum, snapshotid)"
        " SELECT name, %s, %s, %s, %s, %s, snapshotid FROM cold_tables WHERE name = %s ON CONFLICT (name, month) DO"
        " UPDATE SET rows = excluded.rows, checksum = excluded.checksum, snapshotid = excluded.snapshotid,"
        " detached_at = now(), moved = '{}'",
        (
            f"{month}-01",
            partitions.month_start(month),
            partitions.month_start(month + 1),
            proof.cold_rows,
            proof.cold_checksum,
            table.name,
        ),
    )

"""Writes nights to the cold store: the current rows of each table, replacing those written before."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.accounting import facts
from broker_assets.accounting.facts import NightRows, row_hashes
from broker_assets.cold.catalogue import ColdStore, Snapshot, snapshot
from broker_assets.database import border
from broker_assets.database.arrow import arrow_schema, arrow_type
from broker_assets.database.engine import connect
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import PARTITIONED, associations, context_matches, filter_matches, object_features

CODE_VERSION: Final = "1"
"""Version of the content of nights in the cold store."""
LOCK_SPACE: Final = 0x636F6C64
"""Class of the advisory locks on tables of the cold store."""

Read = Callable[[psycopg.Connection[Any], datetime.date, int], Iterator[pa.Table] | None]
"""Returns the rows of a night, in parts of about a given number of rows; None if the database no longer has them."""


@dataclass(frozen=True)
class ColdTable:
    """A table of the cold store."""

    name: str
    schema: pa.Schema
    read: Read
    asset: str = ""
    """Asset, by night, of which it is a copy."""


@dataclass(frozen=True)
class WrittenTable:
    """A night of a table as it is in the cold store."""

    name: str
    night: NightRows
    snapshot: Snapshot
    kept: bool = False
    """Whether it was left unchanged because the database has pruned its rows."""


def _sorted(rows: pa.Table) -> pa.Table:
    """Rows sorted by object, so that a reader of a few objects skips most of a file; the order is deterministic."""
    names = [name for name in ("diaobjectid", "midpointmjdtai", "diasourceid", "filterid") if name in rows.column_names]
    return rows.sort_by([(name, "ascending") for name in names])


def _of_night(table: sa.Table, names: Sequence[str], night: datetime.date) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {} WHERE night = {}::date").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table.name), sql.Literal(night)
    )


def _facts(asset: str, query: Callable[[datetime.date], sql.Composed], schema: pa.Schema) -> Read:
    def read(connection: psycopg.Connection[Any], night: datetime.date, most: int) -> Iterator[pa.Table] | None:
        # Pruned facts are no longer in the ledger: the night stays as it was written.
        if (asset, night.isoformat()) not in facts.nights(connection, [night.isoformat()]):
            return None
        return iter([_sorted(fetch(connection, query(night), schema))])

    return read


def point_table(table: sa.Table) -> ColdTable:
    """Points of a kind: those that packets of the night provided, wherever they are stored."""
    schema = arrow_schema(table)
    asset = {"diasources": "sources", "diaforcedsources": "forced_sources"}.get(table.name, "sources")

    def read(connection: psycopg.Connection[Any], night: datetime.date, most: int) -> Iterator[pa.Table]:
        of_night: border.Test = ("night", "=", night)
        for low, high in object_ranges(connection, table, night, most):
            conditions: list[list[border.Test]] = [
                [of_night],
                [("diaobjectid", ">=", low)],
                [("diaobjectid", "<", high)],
            ]
            yield _sorted(border.rows(connection, table, schema.names, conditions))

    return ColdTable(table.name, schema, read, asset)


def object_ranges(
    connection: psycopg.Connection[Any], table: sa.Table, night: datetime.date, most: int
) -> list[tuple[int, int]]:
    """Ranges of `diaobjectid` with about the same number of rows of a night each; they cover all objects."""
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE night = %s").format(sql.Identifier(table.name)), (night,)
    ).fetchone()
    parts = -(-int(row[0] if row else 0) // most) or 1
    ends = [-(2**63), 2**63 - 1]
    if parts > 1:
        shares = [number / parts for number in range(1, parts)]
        found = connection.execute(
            sql.SQL(
                "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY diaobjectid) FROM {} WHERE night = %s"
            ).format(sql.Identifier(table.name)),
            (shares, night),
        ).fetchone()
        ends = sorted({*ends, *(found[0] if found else [])})
    return list(itertools.pairwise(ends))


def fact_table(table: sa.Table) -> ColdTable:
    """Facts of the alerts of a night."""
    schema = arrow_schema(table)

    def query(night: datetime.date) -> sql.Composed:
        return _of_night(table, schema.names, night)

    return ColdTable(table.name, schema, _facts(table.name, query, schema), table.name)


def context_table() -> ColdTable:
    """Sky context of the alerts of a night: each match with its association."""
    own = arrow_schema(context_matches)
    others = [name for name in associations.c.keys() if name not in own.names]  # noqa: SIM118
    schema = pa.schema([*own, *((name, arrow_type(associations.c[name].type)) for name in others)])
    columns = sql.SQL(", ").join(
        [*(sql.Identifier("fact", name) for name in own.names), *(sql.Identifier("near", name) for name in others)]
    )

    def query(night: datetime.date) -> sql.Composed:
        return sql.SQL(
            "SELECT {} FROM context_matches AS fact JOIN associations AS near USING (diaobjectid, associationid)"
            " WHERE fact.night = {}::date"
        ).format(columns, sql.Literal(night))

    return ColdTable(context_matches.name, schema, _facts(context_matches.name, query, schema), context_matches.name)


TABLES: Final = (
    *(point_table(table) for table in PARTITIONED),
    fact_table(object_features),
    context_table(),
    fact_table(filter_matches),
)
"""Tables that are made from the database alone."""


def write_night(
    store: ColdStore, night: datetime.date, tables: Sequence[ColdTable] = TABLES, *, chunk_rows: int = 1_000_000
) -> list[WrittenTable]:
    """Overwrite a night in the cold store.

    Parameters
    ----------
    store : ColdStore
        Store to write to.
    night : date
        Night of the packets.
    tables : sequence of ColdTable
        Which tables.
    chunk_rows : int
        Rows in memory at a time, at most.

    Returns
    -------
    list of WrittenTable
        One for each table.

    Notes
    -----
    All tables are read in one snapshot of the database. Each is one commit of the cold store, which readers see once
    the database points to it; if the process dies in between, the next attempt writes the same again.
    """
    with connect(store.database_url, application="broker-assets cold", autocommit=True) as reader:
        reader.execute("SET default_transaction_isolation = 'repeatable read'")
        reader.execute("SET default_transaction_read_only = on")
        with reader.transaction():
            return [_write_table(store, reader, night, table, chunk_rows) for table in tables]


def _write_table(
    store: ColdStore, reader: psycopg.Connection[Any], night: datetime.date, table: ColdTable, chunk_rows: int
) -> WrittenTable:
    with connect(store.database_url, application="broker-assets cold", autocommit=True) as connection:
        # Writers of a table take turns; changes by other installations are detected at the commit.
        connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (LOCK_SPACE, table.name))
        first = table.read(reader, night, chunk_rows)
        before = _recorded(connection, table.name, night)
        if first is None and before is not None:
            return before
        total = _Total()

        def chunks() -> Iterator[pa.Table]:
            total.clear()
            for part in table.read(reader, night, chunk_rows) or ():
                if part.num_rows:
                    total.add(part)
                    yield part

        made = store.overwrite_night(
            table.name, night.isoformat(), table.schema, chunks, lambda: total.night.data_version
        )
        _point(connection, store, table.name, night, total.night, made)
        return WrittenTable(table.name, total.night, made)


def _point(
    connection: psycopg.Connection[Any],
    store: ColdStore,
    name: str,
    night: datetime.date,
    rows: NightRows,
    made: Snapshot,
) -> None:
    """Make the newest snapshot of a table visible to readers."""
    table = store.table(name)
    newest = made if table is None else snapshot(table)
    with connection.transaction():
        connection.execute(
            "INSERT INTO cold_tables (name, metadata_location, snapshotid) VALUES (%s, %s, %s) ON CONFLICT (name)"
            " DO UPDATE SET metadata_location = excluded.metadata_location, snapshotid = excluded.snapshotid,"
            " changed_at = now()",
            (name, newest.metadata_location, newest.identifier),
        )
        connection.execute(
            "INSERT INTO cold_nights (name, night, rows, checksum, snapshotid) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name, night) DO UPDATE SET rows = excluded.rows, checksum = excluded.checksum,"
            " snapshotid = excluded.snapshotid, changed_at = now()",
            (name, night, rows.rows, rows.checksum, made.identifier),
        )


def _recorded(connection: psycopg.Connection[Any], name: str, night: datetime.date) -> WrittenTable | None:
    """The record of a night of a table as it was last written."""
    row = connection.execute(
        "SELECT rows, checksum, cold_nights.snapshotid, metadata_location FROM cold_nights"
        " JOIN cold_tables USING (name) WHERE name = %s AND night = %s",
        (name, night),
    ).fetchone()
    if row is None:
        return None
    return WrittenTable(name, NightRows(0, row[0], int(row[1])), Snapshot(row[2], row[3]), kept=True)


class _Total:
    """Number of rows and sum of their hashes."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self.night = NightRows(0, 0, 0)

    def add(self, rows: pa.Table) -> None:
        """Count some rows."""
        checksum = self.night.checksum + int(np.add.reduce(row_hashes(rows), dtype=np.uint64))
        self.night = NightRows(0, self.night.rows + rows.num_rows, checksum % (1 << 64))

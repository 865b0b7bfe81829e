"""Inserts rows of an Arrow table, through a temporary table, into a table that may already have some of them.

The temporary table of each target is created once per session. All functions work in the caller's transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.copy import load

Nights = dict[datetime.date | None, int]
"""Number of rows of each night."""


@dataclass(frozen=True)
class Conflict:
    """How to handle rows whose key already exists: an ON CONFLICT clause."""

    clause: sql.Composable

    @classmethod
    def ignore(cls, key: Sequence[str]) -> Self:
        """Keep the existing row."""
        return cls(sql.SQL("ON CONFLICT ({}) DO NOTHING").format(_names(key)))

    @classmethod
    def newest(
        cls,
        table: sa.Table,
        key: str,
        columns: Sequence[str],
        *,
        by: str,
        greatest: Sequence[str] = (),
        touched: str | None = None,
        equal: bool = False,
    ) -> Self:
        """Update the existing row unless it is newer.

        Parameters
        ----------
        table : Table
            Target.
        key : str
            Primary key.
        columns : sequence of str
            Columns to set; others stay.
        by : str
            Column that determines which row is newer.
        greatest : sequence of str
            Columns of which the larger value is kept.
        touched : str, optional
            Column that gets the time of the change.
        equal : bool
            Whether a row as new as the existing one replaces it.
        """
        here = sql.Identifier(table.name)
        settings: list[sql.Composable] = [_assignments([c for c in columns if c != key and c not in greatest])]
        settings += [
            sql.SQL("{0} = GREATEST({1}.{0}, excluded.{0})").format(sql.Identifier(name), here)
            for name in greatest
            if name in columns
        ]
        if touched:
            settings.append(sql.SQL("{} = now()").format(sql.Identifier(touched)))
        return cls(
            sql.SQL(
                "ON CONFLICT ({key}) DO UPDATE SET {settings}"
                " WHERE {here}.{by} IS NULL OR excluded.{by} {newer} {here}.{by}"
            ).format(
                key=sql.Identifier(key),
                settings=sql.SQL(", ").join(settings),
                here=here,
                by=sql.Identifier(by),
                newer=sql.SQL(">=" if equal else ">"),
            )
        )


@dataclass(frozen=True)
class Inserted:
    """Rows written, by night."""

    rows: Nights = field(default_factory=dict)
    """Rows inserted or updated."""
    marked: Nights = field(default_factory=dict)
    """Rows among them whose marking column is set."""
    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    """(n, k) the requested key columns of the marked rows, or of all rows if no column marks them."""

    def __add__(self, other: Inserted) -> Inserted:
        keys = [part for part in (self.keys, other.keys) if part.size]
        return Inserted(
            _add(self.rows, other.rows),
            _add(self.marked, other.marked),
            np.concatenate(keys) if keys else self.keys,
        )

    @property
    def total(self) -> int:
        """Number of rows of all nights."""
        return sum(self.rows.values())


def by_night(rows: pa.Table) -> Nights:
    """Count the rows of each night."""
    if rows.num_rows == 0:
        return {}
    return {item["values"]: item["counts"] for item in pc.value_counts(rows["night"]).to_pylist()}


def unique_sorted(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Sort rows by their key (numbers or texts), and keep the first of equal ones.

    Examples
    --------
    >>> unique_sorted(pa.table({"k": [2, 1, 2], "v": ["a", "b", "c"]}), ["k"]).to_pydict()
    {'k': [1, 2], 'v': ['b', 'a']}
    """
    if rows.num_rows == 0:
        return rows
    columns = [sortable(rows[name]) for name in key]
    order = np.lexsort(columns[::-1])
    equal = np.ones(rows.num_rows - 1, bool)
    for column in columns:
        ordered = column[order]
        equal &= ordered[1:] == ordered[:-1]
    kept = order[np.concatenate([[True], ~equal])]
    if kept.size == rows.num_rows and np.array_equal(kept, np.arange(kept.size)):
        return rows
    return rows.take(pa.array(kept))


def sortable(values: pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers in the same order as the values, equal for equal values; NaN is largest, as in PostgreSQL."""
    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy())
    return np.asarray(pc.rank(values, tiebreaker="dense").to_numpy())


def insert(
    cursor: psycopg.Cursor[Any],
    table: sa.Table,
    rows: pa.Table,
    conflict: Conflict,
    *,
    mark: str | None = None,
    keys: Sequence[str] = (),
) -> Inserted:
    """Insert rows through a temporary table.

    Parameters
    ----------
    cursor : psycopg.Cursor
        Cursor in a transaction.
    table : Table
        Target.
    rows : pyarrow.Table
        Rows with the column `night`, unique and sorted by the key; see `unique_sorted`.
    conflict : Conflict
        How to handle existing rows.
    mark : str, optional
        Column whose presence is counted in `Inserted.marked`.
    keys : sequence of str
        Columns of 64-bit integers whose values for the written rows are returned in `Inserted.keys`.
    """
    if rows.num_rows == 0:
        return Inserted()
    stage = staged(cursor, table, rows)
    cursor.execute(
        sql.SQL(
            "WITH written AS (INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage} {conflict}"
            " RETURNING night, {mark} IS NOT NULL AS marked{returned})"
            " SELECT night, count(*), count(*) FILTER (WHERE marked){gathered} FROM written GROUP BY night"
        ).format(
            table=sql.Identifier(table.name),
            columns=_names(rows.column_names),
            stage=sql.Identifier(stage),
            conflict=conflict.clause,
            mark=sql.Identifier(mark) if mark else sql.NULL,
            returned=sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(name)) for name in keys),
            gathered=sql.SQL("").join(
                sql.SQL(", array_agg({}) FILTER (WHERE {})").format(
                    sql.Identifier(name), sql.SQL("marked") if mark else sql.SQL("true")
                )
                for name in keys
            ),
        )
    )
    found = cursor.fetchall()
    columns = [
        np.concatenate([np.zeros(0, np.int64), *(np.array(row[3 + place] or [], np.int64) for row in found)])
        for place in range(len(keys))
    ]
    return Inserted(
        {row[0]: row[1] for row in found},
        {row[0]: row[2] for row in found},
        np.stack(columns, axis=1) if columns else np.zeros((0, 0), np.int64),
    )


def staged(cursor: psycopg.Cursor[Any], table: sa.Table, rows: pa.Table) -> str:
    """Replace the content of the temporary table of a target by rows, and return its name."""
    stage = f"stage_{table.name}"
    _clear_stage(cursor, table, stage)
    load(cursor, table, rows, into=stage)
    return stage


def append(
    cursor: psycopg.Cursor[Any], table: sa.Table, rows: pa.Table, *, mark: str | None = None, keys: Sequence[str] = ()
) -> Inserted:
    """Insert rows directly into a table that has none of them.

    The parameters are those of `insert`.

    Raises
    ------
    psycopg.errors.UniqueViolation
        If the table has one of them.
    """
    if rows.num_rows == 0:
        return Inserted()
    load(cursor, table, rows)
    marked = rows.filter(pc.is_valid(rows[mark])) if mark else rows
    columns = [marked[name].to_numpy() for name in keys]
    return Inserted(
        by_night(rows),
        by_night(marked) if mark else {},
        np.stack(columns, axis=1).astype(np.int64) if columns else np.zeros((0, 0), np.int64),
    )


def _clear_stage(cursor: psycopg.Cursor[Any], table: sa.Table, stage: str) -> None:
    cursor.execute("SELECT to_regclass(%s) IS NULL", (f"pg_temp.{stage}",))
    names = {"stage": sql.Identifier(stage), "table": sql.Identifier(table.name)}
    if cursor.fetchall() == [(True,)]:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {stage} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS").format(
                **names
            )
        )
        return
    # Only an earlier call in the same transaction can have left rows.
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {stage})").format(**names))
    if cursor.fetchall() == [(True,)]:
        cursor.execute(sql.SQL("TRUNCATE {stage}").format(**names))


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _assignments(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns)


def _add(one: Nights, other: Nights) -> Nights:
    return {night: one.get(night, 0) + other.get(night, 0) for night in [*one, *(n for n in other if n not in one)]}

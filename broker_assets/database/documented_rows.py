"""Rows of a table about one object as an Arrow table under documented names, with units and meanings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.border_sql import across
from broker_assets.database.fetch import fetch
from broker_assets.database.table_formats import field, unit_of
from broker_assets.database.tables import PARTITIONED


def documented_schema(table: sa.Table, *, without: Collection[str] = ()) -> pa.Schema:
    """Fields of a table under documented names."""
    return pa.schema(
        [
            field(
                str(column.info.get("documented", column.name)),
                arrow_type(column.type),
                unit=unit_of(str(column.info.get("unit", ""))),
                description=str(column.comment or ""),
            )
            for column in table.columns
            if column.name not in without
        ]
    )


def documented_rows(
    connection: psycopg.Connection[Any],
    table: sa.Table,
    key: str,
    values: Collection[int],
    *,
    order: Collection[str] = (),
    without: Collection[str] = (),
) -> pa.Table:
    """Rows in which a column has one of some values.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    table : Table
        Table with the rows.
    key : str
        Column, of 64-bit integers.
    values : collection of int
        Its values.
    order : collection of str
        Columns that order the rows.
    without : collection of str
        Columns to omit.
    """
    names = [column.name for column in table.columns if column.name not in without]
    query = sql.SQL("SELECT {} FROM {} WHERE {} = ANY({}::bigint[])").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(table.name),
        sql.Identifier(key),
        sql.Literal([int(value) for value in values]),
    )
    if order:
        query = query + sql.SQL(" ORDER BY ") + sql.SQL(", ").join(map(sql.Identifier, order))
    stored = pa.schema([(name, arrow_type(table.c[name].type)) for name in names])
    schema = documented_schema(table, without=without)
    if table in PARTITIONED:
        query = across(connection, query, {table: [[(key, "in", [int(value) for value in values])]]})  # type: ignore[assignment]
    return fetch(connection, query, stored).rename_columns(schema.names).cast(schema)

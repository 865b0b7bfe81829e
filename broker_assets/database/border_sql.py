"""SQL over tables of points that finds the rows on both sides of the border.

A statement names `diasources`; where months of it have left the database, the rows that it may need are put before it
as a common table expression of that name. The statement itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.border import Conditions, border_of, rows_beyond

MOST: Final = 200_000
"""Rows of the cold store that a statement of a user may need."""
MOST_BEYOND: Final = 5_000_000
"""The same of a statement of the platform, which reads the light curves of a chosen number of objects."""

Statement = TypeVar("Statement", str, sql.SQL, sql.Composed)


def across(
    connection: psycopg.Connection[Any],
    statement: Statement,
    tables: Mapping[sa.Table, Conditions],
    *,
    most: int = MOST,
    has_values: bool = False,
) -> Statement | sql.Composed | str:
    """A statement that also finds what has left the database.

    Parameters
    ----------
    connection : psycopg.Connection
        On which it will be executed, in the same transaction: the border cannot move before that ends.
    statement : str or psycopg.sql.Composable
        A query without schema names; it may begin with `WITH`.
    tables : mapping of Table to conditions
        Tables of points in it, and what every row that it needs of them fulfils (`border.Conditions`).
    most : int
        Rows of the cold store for each table.
    has_values : bool
        Whether values are passed with a statement of type `str`, so that `%` must be doubled.

    Returns
    -------
    str or psycopg.sql.Composable
        The statement itself where nothing has left that it may need.

    Raises
    ------
    TooManyBeyond
        If it needs more rows.
    """
    parts = []
    for table, conditions in tables.items():
        columns = list(table.c.keys())
        found = rows_beyond(connection, table, columns, conditions, border_of(connection, table), most)
        if found is not None and found.num_rows:
            parts.append(_expression(table, columns, found))
    if not parts:
        return statement
    expressions = sql.SQL(", ").join(parts)
    if isinstance(statement, str):
        text = expressions.as_string(connection)
        return _prefixed(text.replace("%", "%%") if has_values else text, statement)
    rest = statement.as_string(connection)
    return sql.SQL("{}").format(sql.SQL(_prefixed(expressions.as_string(connection), rest)))


def _prefixed(expressions: str, statement: str) -> str:
    text = statement.lstrip()
    if text[:5].upper() == "WITH " and text[5:].lstrip()[:10].upper() != "RECURSIVE ":
        return f"WITH {expressions}, {text[5:]}"
    return f"WITH {expressions} {text}"


def _expression(table: sa.Table, columns: list[str], found: pa.Table) -> sql.Composed:
    """The rows of a table and those of the cold store, under its name."""
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = [
        sql.SQL("{}::{}[]").format(
            sql.Literal(found[name].to_pylist()),
            sql.SQL(table.c[name].type.compile(dialect=dialect)),
        )
        for name in columns
    ]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(
        "{table} AS NOT MATERIALIZED (SELECT {names} FROM {table} UNION ALL SELECT {names} FROM unnest({arrays})"
        " AS beyond ({names}))"
    ).format(table=sql.Identifier(table.name), names=names, arrays=sql.SQL(", ").join(arrays))

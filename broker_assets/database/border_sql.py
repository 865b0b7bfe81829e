"""SQL over tables of points that also finds the rows in the cold store.

A statement names, for example, `diasources`; if months of it have left the database, the rows that the statement may
need are put before it as a common table expression of that name. The statement itself is not changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.border import Conditions, border_of, rows_beyond

MOST: Final = 200_000
"""Rows of the cold store that a statement of a user may need, at most."""
MOST_BEYOND: Final = 5_000_000
"""Rows that a statement of the platform may need, which reads the light curves of a limited number of objects."""

_NO_VIEWS: Final[Mapping[str, sa.Select[Any]]] = {}

Statement = TypeVar("Statement", str, sql.SQL, sql.Composed)


def across(
    connection: psycopg.Connection[Any],
    statement: Statement,
    tables: Mapping[sa.Table, Conditions],
    *,
    most: int = MOST,
    has_values: bool = False,
    views: Mapping[str, sa.Select[Any]] = _NO_VIEWS,
) -> Statement | sql.Composed | str:
    """A statement that also finds what has left the database.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that will execute it, in the same transaction: the border cannot move before that ends.
    statement : str or psycopg.sql.Composable
        A query without schema names; it may begin with `WITH`.
    tables : mapping of Table to conditions
        Tables of points in it, with the conditions (`border.Conditions`) that every row it needs fulfils.
    most : int
        Rows of the cold store for each table, at most.
    has_values : bool
        Whether values are passed with a statement, so that `%` must be doubled.
    views : mapping of str to Select
        Views over these tables that the statement names instead of them.

    Returns
    -------
    str or psycopg.sql.Composable
        The statement itself if nothing that it may need has left the database.

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
    parts += [_view(name, query) for name, query in views.items()]
    expressions = sql.SQL(", ").join(parts)
    if isinstance(statement, str):
        text = expressions.as_string(connection)
        return _prefixed(text.replace("%", "%%") if has_values else text, statement)
    text = expressions.as_string(connection)
    rest = statement.as_string(connection)
    return sql.SQL("{}").format(sql.SQL(_prefixed(text.replace("%", "%%") if has_values else text, rest)))


def anything_left(connection: psycopg.Connection[Any]) -> bool:
    """Whether any month has left the database."""
    row = connection.execute("SELECT EXISTS (SELECT FROM cold_months)").fetchone()
    return bool(row and row[0])


def out_of_reach(connection: psycopg.Connection[Any], text: str) -> str:
    """Months that a statement misses if it only reads the database, by the tables or views of points that it names.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    text : str
        SQL; a word like `diasource` or `elasticc2_diasource` stands for all views of that table.
    """
    rows = connection.execute(
        "SELECT name, to_char(min(month), 'YYYY-MM'), to_char(max(month), 'YYYY-MM'), count(*) FROM cold_months"
        " GROUP BY name ORDER BY name"
    ).fetchall()
    words = text.lower()
    return "; ".join(
        f"{name}: {number} months from {first} to {last}"
        for name, first, last, number in rows
        if name.removesuffix("s") in words
    )


def ask(
    connection: psycopg.Connection[Any],
    statement: Statement,
    tables: Mapping[sa.Table, Conditions],
    values: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    most: int = MOST_BEYOND,
    views: Mapping[str, sa.Select[Any]] = _NO_VIEWS,
) -> psycopg.Cursor[Any]:
    """Execute a statement that also finds what has left the database.

    Parameters
    ----------
    connection, statement, tables, most, views
        As for `across`.
    values : sequence or mapping, optional
        Values of the statement.
    """
    whole = across(connection, statement, tables, most=most, has_values=values is not None, views=views)
    return connection.execute(whole, values)  # type: ignore[arg-type]


def _view(name: str, query: sa.Select[Any]) -> sql.Composed:
    """A view as a common table expression of its name, over the tables as they are in the statement."""
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    # The text of a view has no parameters, so `%` is written once.
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    return sql.SQL("{} AS NOT MATERIALIZED ({})").format(sql.Identifier(name), sql.SQL(text))


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

"""Pages of a query by key: the next page begins after the last row of this one, however many rows come before it.

The place where it begins is an opaque text that belongs to its query: with another query, it is refused.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

LONGEST: Final = 2048
"""Characters of a place, at most."""


class BadPlaceError(ValueError):
    """A text is not a place in this query."""


@dataclass(frozen=True)
class Page:
    """Some rows."""

    rows: list[dict[str, Any]]
    following: str | None
    """Place of the next page; None if there is none."""


def write_place(question: str, values: Sequence[Any]) -> str:
    """The text of a place.

    Examples
    --------
    >>> read_place("q", write_place("q", [7, 60000.25, "a"]), 3)
    [7, 60000.25, 'a']
    """
    plain = [value.isoformat() if isinstance(value, datetime.date | datetime.datetime) else value for value in values]
    document = json.dumps([_mark(question), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def read_place(question: str, text: str, keys: int) -> list[Any]:
    """The values of a place.

    Raises
    ------
    BadPlaceError
        If the text is not a place in this query.
    """
    reason = "the cursor is not one of this question: take `next` of its last answer as it is, with the same parameters"
    try:
        if len(text) > LONGEST:
            raise BadPlaceError(reason)
        document = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadPlaceError(reason) from None
    fits = isinstance(document, list) and len(document) == keys + 1 and document[0] == _mark(question)
    if not fits or not all(isinstance(value, int | float | str) for value in document):
        raise BadPlaceError(reason)
    return list(document[1:])


def _mark(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:12]


def page(
    connection: psycopg.Connection[Any],
    query: sql.Composable,
    parameters: Mapping[str, Any],
    *,
    keys: Sequence[str],
    limit: int,
    place: str | None = None,
    descending: bool = False,
) -> Page:
    """Read a page.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    query : psycopg.sql.Composable
        A SELECT with named placeholders, without ORDER BY; its rows have different values of the keys, never null.
    parameters : mapping
        Values of the placeholders.
    keys : sequence of str
        Columns that order the rows, none null.
    limit : int
        Rows, at most.
    place : str, optional
        `following` of the page before.
    descending : bool
        Whether the largest keys come first.

    Raises
    ------
    BadPlaceError
        If the place is not one of this query with these parameters.
    """
    question = json.dumps([query.as_string(connection), dict(parameters), list(keys), descending], default=str)
    names = sql.SQL(", ").join(map(sql.Identifier, keys))
    parts: list[sql.Composable] = [sql.SQL("SELECT * FROM (") + query + sql.SQL(") AS listed")]
    values = dict(parameters)
    if place is not None:
        found = read_place(question, place, len(keys))
        holders = sql.SQL(", ").join(sql.Placeholder(f"_key{number}") for number in range(len(keys)))
        values |= {f"_key{number}": value for number, value in enumerate(found)}
        sign = sql.SQL("<" if descending else ">")
        parts.append(sql.SQL(" WHERE ({}) {} ({})").format(names, sign, holders))
    way = sql.SQL(" DESC" if descending else "")
    order = sql.SQL(", ").join(sql.Identifier(key) + way for key in keys)
    parts.append(sql.SQL(" ORDER BY {} LIMIT {}").format(order, sql.Literal(limit + 1)))
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql.Composed(parts), values).fetchall()
    except psycopg.DataError as error:
        if place is None:
            raise
        raise BadPlaceError("the cursor does not belong to this request") from error
    if len(rows) <= limit:
        return Page(rows, None)
    rows = rows[:limit]
    return Page(rows, write_place(question, [rows[-1][key] for key in keys]))


def batches(
    use: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    query: sql.Composable,
    parameters: Mapping[str, Any],
    schema: pa.Schema,
    *,
    keys: Sequence[str],
    limit: int,
    descending: bool = False,
    together: int = 2_000,
) -> Iterator[pa.RecordBatch]:
    """All rows up to a limit as Arrow batches, read page by page; see `page`.

    Parameters
    ----------
    use : callable
        Gives a connection for each page.
    query, parameters, keys, limit, descending
        As for `page`.
    schema : pyarrow.Schema
        Columns that are wanted.
    together : int
        Rows that are read at a time.
    """
    place, left = None, limit
    while left > 0:
        with use() as connection:
            found = page(
                connection, query, parameters, keys=keys, limit=min(together, left), place=place, descending=descending
            )
        columns = [pa.array([row[item.name] for row in found.rows], item.type) for item in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        place, left = found.following, left - len(found.rows)
        if place is None:
            return

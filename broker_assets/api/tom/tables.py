"""Tables of the survey page by page, single rows, and objects with their photometry.

A page has `count`, `next`, `previous` and `results`. The addresses of the next and previous page have `limit` and
`offset` as in the original, and the key at which they begin, so that every page costs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from fastapi import Request
from fastapi.responses import Response
from psycopg import sql

from broker_assets.api.connections import Connections
from broker_assets.api.documents import Document
from broker_assets.api.tom.answers import Json, RefusedError
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.database.tables import tom
from broker_assets.numerals import whole
from broker_assets.settings.tom import TomSettings

PAGE: Final = 100
"""Default number of rows on a page."""
EXACT: Final = 300_000
"""Largest number of rows for which a table is counted; beyond it the number is estimated."""


@dataclass(frozen=True)
class Listed:
    """A table that is listed."""

    table: str
    key: str
    columns: tuple[str, ...]
    model: str
    """Its name in errors."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Columns with other names in answers: those that refer to an object, as in the original."""
    permission: str | None = None
    """Permission that is needed to see it."""

    @property
    def selection(self) -> sql.Composed:
        """Its columns under their names in answers."""
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.Identifier(name), sql.Identifier(self.renamed.get(name, name)))
            for name in self.columns
        )


_FIRST: Final = ("diaobject_id", "isddf", "simversion")
OBJECTS: Final = Listed(
    tom.ppdbdiaobject.name,
    "diaobject_id",
    (*_FIRST, *(name for name in tom.ppdbdiaobject.c.keys() if name not in _FIRST)),  # noqa: SIM118
    "PPDBDiaObject",
)
_OBJECT: Final = {"diaobject_id": "diaobject"}
SOURCES: Final = Listed(
    tom.ppdbdiasource.name, "diasource_id", tuple(tom.ppdbdiasource.c.keys()), "PPDBDiaSource", renamed=_OBJECT
)
FORCED: Final = Listed(
    tom.ppdbdiaforcedsource.name, "diaforcedsource_id", tuple(tom.ppdbdiaforcedsource.c.keys()), "PPDBDiaForcedSource",
    renamed=_OBJECT,
)  # fmt: skip
TABLES: Final = {"ppdbdiaobject": OBJECTS, "ppdbdiasource": SOURCES, "ppdbdiaforcedsource": FORCED}
"""Path: the table."""


def list_of(listed: Listed) -> Callable[[Request], Response]:
    """An endpoint that lists a table."""

    def rows(request: Request) -> Response:
        _admit(request, listed)
        return Json(page_of(request, listed))

    return rows


def row_of(listed: Listed) -> Callable[[Request, str], Response]:
    """An endpoint that returns a row of a table."""

    def row(request: Request, number: str) -> Response:
        _admit(request, listed)
        connections: Connections = request.app.state.connections
        with connections.use() as connection:
            return Json(found_row(connection, listed, number))

    return row


def _admit(request: Request, listed: Listed) -> None:
    user = admitted(request, "json")
    if listed.permission is not None:
        needs(request, user, listed.permission)


def _integer(text: str | None, default: int) -> int:
    try:
        return whole(text) if text is not None else default
    except ValueError:
        return default


def page_of(request: Request, listed: Listed, most: int | None = None) -> dict[str, Any]:
    """The page of a table that a request asks for, of `most` rows at most."""
    settings: TomSettings = request.app.state.tom
    largest = settings.largest_page if most is None else min(most, settings.largest_page)
    given = request.query_params
    limit = _integer(given.get("limit"), PAGE)
    limit = min(limit if limit > 0 else PAGE, largest)
    offset = min(max(_integer(given.get("offset"), 0), 0), 2**62)
    after, before = (_integer(given.get(name), 0) if name in given else None for name in ("after", "before"))
    names = {"columns": listed.selection, "table": sql.Identifier(listed.table), "key": sql.Identifier(listed.key)}
    if after is not None:
        query, values = " WHERE {key} > %s ORDER BY {key} LIMIT %s", [after, limit]
    elif before is not None:
        query, values = " WHERE {key} < %s ORDER BY {key} DESC LIMIT %s", [before, limit]
    else:
        query, values = " ORDER BY {key} OFFSET %s LIMIT %s", [offset, limit]
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        count = count_of(connection, listed)
        statement = sql.SQL("SELECT {columns} FROM {table}").format(**names) + sql.SQL(query).format(**names)
        rows = _rows(connection, statement, values)
    if before is not None and after is None:
        rows.reverse()
    beyond = offset + limit < count if after is None and before is None else len(rows) == limit
    following = preceding = None
    if rows and beyond and offset + limit < count:
        following = _address(request, limit, offset + limit, after=rows[-1][listed.key])
    if offset > 0:
        at_start = offset - limit <= 0
        more = {} if at_start or not rows else {"before": rows[0][listed.key]}
        preceding = _address(request, limit, max(offset - limit, 0), **more)
    return {"count": count, "next": following, "previous": preceding, "results": rows}


def _address(request: Request, limit: int, offset: int, **more: int) -> str:
    query: dict[str, int] = {"limit": limit} | ({"offset": offset} if offset else {}) | more
    return str(request.url.replace(query=urlencode(query)))


def count_of(connection: psycopg.Connection[Any], listed: Listed) -> int:
    """Rows of a table, estimated above `EXACT`."""
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS counted").format(
            sql.Identifier(listed.table), sql.Literal(EXACT + 1)
        )
    ).fetchone()
    count = int(row[0]) if row is not None else 0
    if count <= EXACT:
        return count
    row = connection.execute(
        "SELECT sum(greatest(reltuples, 0))::bigint FROM pg_class LEFT JOIN pg_inherits ON inhrelid = pg_class.oid"
        " WHERE relkind = 'r' AND (pg_class.oid = to_regclass(%(name)s) OR inhparent = to_regclass(%(name)s))",
        {"name": listed.table},
    ).fetchone()
    return max(count, int(row[0]) if row is not None and row[0] is not None else 0)


def _rows(connection: psycopg.Connection[Any], query: sql.Composed, values: list[Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def found_row(connection: psycopg.Connection[Any], listed: Listed, number: str) -> dict[str, Any]:
    """A row by its number in an address.

    Raises
    ------
    RefusedError
        If there is none.
    """
    if not number.lstrip("-").isascii() or not number.lstrip("-").isdecimal():
        raise RefusedError(Document({"detail": "Not found."}, 404))
    rows = []
    if -(2**63) <= int(number) < 2**63:
        query = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
            listed.selection, sql.Identifier(listed.table), sql.Identifier(listed.key)
        )
        rows = _rows(connection, query, [int(number)])
    if not rows:
        raise RefusedError(Document({"detail": f"No {listed.model} matches the given query."}, 404))
    return rows[0]


def _photometry(connection: psycopg.Connection[Any], number: int, until: float) -> dict[str, Any]:
    return {
        name: _rows(
            connection,
            sql.SQL("SELECT {} FROM {} WHERE diaobject_id = %s AND midpointtai <= %s ORDER BY midpointtai, {}").format(
                listed.selection, sql.Identifier(listed.table), sql.Identifier(listed.key)
            ),
            [number, until],
        )
        for name, listed in (("diasources", SOURCES), ("diaforcedsources", FORCED))
    }


def object_with_sources(request: Request, number: str = "") -> Response:
    """An object with all of its photometry."""
    admitted(request, "json")
    if not number:
        return Document("Must give an object id", 400)
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = found_row(connection, OBJECTS, number)
        return Json({**found, **_photometry(connection, found["diaobject_id"], float("inf"))})


def object_of_source(request: Request, number: str = "") -> Response:
    """The object of a detection with its photometry up to that detection."""
    admitted(request, "json")
    if not number:
        return Document("Must give a source id", 400)
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        source = found_row(connection, SOURCES, number)
        found = found_row(connection, OBJECTS, str(source["diaobject"]))
        return Json({**found, **_photometry(connection, found["diaobject_id"], source["midpointtai"])})


def not_allowed(request: Request) -> Response:
    """Answer to methods that the tables do not have."""
    admitted(request, "json")
    return Document({"detail": f'Method "{request.method}" not allowed.'}, 405, headers={"Allow": "GET, HEAD, OPTIONS"})

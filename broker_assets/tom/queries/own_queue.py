"""The queue as a table for users' SQL: in a session, `db_queryqueue` has the queries of the session's account.

The table itself is out of reach of the roles of users' SQL, because it has everybody's queries. A session that names it
gets a temporary table of that name, with the columns of the original, which PostgreSQL finds first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from broker_assets.tom.queries.statements import Statement

_NAMED: Final = re.compile(r"\bdb_queryqueue\b", re.IGNORECASE)
_COLUMNS: Final = {
    "queryid": "uuid",
    "submitted": "timestamptz",
    "started": "timestamptz",
    "finished": "timestamptz",
    "error": "boolean",
    "errortext": "text",
    "queries": "text[]",
    "subdicts": "jsonb[]",
    "format": "text",
}
"""Columns in the original, with their types."""


def show_own_queue(
    owner: psycopg.Connection[Any],
    session: psycopg.Connection[Any],
    userid: int | None,
    statements: Iterable[Statement],
) -> bool:
    """Create the table in a session if its statements name it; return whether they do.

    Parameters
    ----------
    owner : psycopg.Connection
        A connection that may read the queue.
    session : psycopg.Connection
        Connection from `running.session`; the table disappears with its transaction.
    userid : int or None
        Account whose queries are shown.
    statements : iterable of Statement
        Statements that will run.
    """
    if not any(_NAMED.search(statement.text) for statement in statements):
        return False
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    rows = owner.execute(
        sql.SQL("SELECT {} FROM db_queryqueue WHERE userid = %s ORDER BY submitted, queryid").format(names), (userid,)
    ).fetchall()
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in _COLUMNS.items()
    )
    session.execute(sql.SQL("CREATE TEMPORARY TABLE db_queryqueue ({}) ON COMMIT DROP").format(columns))
    with session.cursor() as cursor:
        cursor.executemany(
            sql.SQL("INSERT INTO pg_temp.db_queryqueue VALUES ({})").format(
                sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(kind)) for kind in _COLUMNS.values())
            ),
            [[_sent(name, value) for name, value in zip(_COLUMNS, row, strict=True)] for row in rows],
        )
    return True


def _sent(name: str, value: Any) -> Any:
    return [Jsonb(item) for item in value] if name == "subdicts" and value is not None else value

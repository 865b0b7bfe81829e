"""Histories of tables: earlier rows, each with the numbers from which and to which it held.

They are for tables that only have the current state, but whose past filters need: a batch saw the rows that held at the
number that it recorded (`broker_assets.provenance.revisions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from broker_assets.provenance.revisions import next_revision

_PERIOD = ("revision_from", "revision_to")


def record_changes(
    connection: psycopg.Connection[Any],
    table: sa.Table,
    history: sa.Table,
    *,
    key: Sequence[str],
    only: sql.Composable | None = None,
) -> int | None:
    """Bring the history of a table up to date with the table, in the transaction that has changed it.

    Call it last, since other changes wait for the number that it takes.

    Parameters
    ----------
    connection : psycopg.Connection
        In that transaction.
    table, history : sqlalchemy.Table
        The table, and its history: some of its columns, `revision_from` and `revision_to`, null while the row holds.
    key : sequence of str
        Columns that identify a row, never null.
    only : psycopg.sql.Composable, optional
        Condition on columns of the history that holds for every row that may have changed; all rows unless given.

    Returns
    -------
    int or None
        The number of the change; None if nothing differs.
    """
    names = [column.name for column in history.c if column.name not in _PERIOD]
    parts = {
        "table": sql.Identifier(table.name),
        "history": sql.Identifier(history.name),
        "columns": sql.SQL(", ").join(map(sql.Identifier, names)),
        "key": sql.SQL(", ").join(map(sql.Identifier, key)),
        "only": only or sql.SQL("true"),
        "same_key": sql.SQL(" AND ").join(sql.SQL("one.{0} = other.{0}").format(sql.Identifier(name)) for name in key),
        "one": sql.SQL(", ").join(sql.SQL("one.{}").format(sql.Identifier(name)) for name in names),
        "other": sql.SQL(", ").join(sql.SQL("other.{}").format(sql.Identifier(name)) for name in names),
    }
    differs = sql.SQL(
        "SELECT EXISTS (SELECT FROM (SELECT {columns} FROM {table} WHERE {only}) AS one"
        " FULL JOIN (SELECT {columns} FROM {history} WHERE revision_to IS NULL AND {only}) AS other"
        " USING ({key}) WHERE ({one}) IS DISTINCT FROM ({other}))"
    ).format(**parts)
    row = connection.execute(differs).fetchone()
    if row is None or not row[0]:
        return None
    revision = next_revision(connection)
    ended = sql.SQL(
        "UPDATE {history} AS one SET revision_to = {revision} WHERE revision_to IS NULL AND {only} AND NOT EXISTS"
        " (SELECT FROM {table} AS other WHERE {same_key} AND ({one}) IS NOT DISTINCT FROM ({other}))"
    )
    connection.execute(ended.format(**parts, revision=sql.Literal(revision)))
    begun = sql.SQL(
        "INSERT INTO {history} ({columns}, revision_from) SELECT {one}, {revision} FROM {table} AS one WHERE {only}"
        " AND NOT EXISTS (SELECT FROM {history} AS other WHERE other.revision_to IS NULL AND {same_key})"
    )
    connection.execute(begun.format(**parts, revision=sql.Literal(revision)))
    return revision

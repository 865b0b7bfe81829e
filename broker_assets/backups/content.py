"""Content of tables and the ledger, as numbers that a restored copy must reproduce."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from broker_assets.backups.manifest import LedgerState, TableContent
from broker_assets.database.migrations import VERSION_TABLE

_SETTINGS: Final = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
)
"""Settings with which rows are the same text on every server."""


def same_text(connection: psycopg.Connection[Any]) -> None:
    """Apply the settings with which rows are the same text on every server, for the transaction."""
    for statement in _SETTINGS:
        connection.execute(statement)


def identifier(table: str) -> sql.Identifier:
    """The name of a table, with or without schema, as SQL.

    Examples
    --------
    >>> identifier("access.users").as_string(None)
    '"access"."users"'
    """
    return sql.Identifier(*table.split("."))


def columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """Columns of a table in their order, without generated ones."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        (identifier(table).as_string(connection),),
    ).fetchall()
    return [str(name) for (name,) in found]


def table_content(
    connection: psycopg.Connection[Any], table: str, *, where: sql.Composable | None = None
) -> TableContent:
    """Number of the rows of a table and the sum of their hashes; call `same_text` before.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction.
    table : str
        Its name, with the schema unless that is the default one.
    where : sql.Composable, optional
        Condition on the rows that count, of which each is `old`.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns(connection, table)))
    statement = sql.SQL(
        "SELECT count(*) AS rows, coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0) AS checksum"
        " FROM {} AS old WHERE {}"
    ).format(names, identifier(table), where if where is not None else sql.SQL("true"))
    with connection.cursor(row_factory=class_row(TableContent)) as cursor:
        found = cursor.execute(statement).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has one row
    return found


def ledger_state(connection: psycopg.Connection[Any], *, up_to: int | None = None) -> LedgerState:
    """Content of the ledger, up to a batch if one is given."""
    with connection.cursor(row_factory=class_row(LedgerState)) as cursor:
        found = cursor.execute(
            "SELECT coalesce(max(ingestid), 0) AS ingestid, count(*) AS batches,"
            " coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,"
            " coalesce(sum(duplicate), 0)::bigint AS duplicate, coalesce(sum(quarantined), 0)::bigint AS quarantined,"
            " (SELECT coalesce(sum(sources), 0)::bigint FROM ingest_batch_night"
            "  WHERE %(up_to)s::bigint IS NULL OR ingestid <= %(up_to)s) AS sources"
            " FROM ingest_batch WHERE %(up_to)s::bigint IS NULL OR ingestid <= %(up_to)s",
            {"up_to": up_to},
        ).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has one row
    return found


def revision(connection: psycopg.Connection[Any]) -> str | None:
    """Migration revision of the database; None if it was never migrated."""
    there = connection.execute("SELECT to_regclass(%s)", (VERSION_TABLE,)).fetchone()
    if there is None or there[0] is None:
        return None
    found = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))).fetchone()
    return None if found is None else str(found[0])


def server_version(connection: psycopg.Connection[Any]) -> int:
    """Version of the server, as `server_version_num`."""
    return connection.info.server_version

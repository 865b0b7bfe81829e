"""Tables as versioned files for other nodes: written on one node, installed on another, completely or not at all.

A snapshot of a table is a folder of versions with a pointer (see `broker_assets.storage.published`): the rows as
Parquet and as CSV, and a description of the columns. Installing compares checksums first and then changes the other
database in one transaction, so that its readers see the table before or after.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql
from upath import UPath

from broker_assets.database import copy, tables
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.turns import in_turn
from broker_assets.storage.published import publish, read_published

SNAPSHOT_VERSION = "1"
DEFAULT_TABLES = ("crossmatch_tns", "annotations")
"""Tables that other nodes join with; one that does not exist in this version of the platform is skipped."""
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
_LOCK = "broker_assets.snapshots"


class BadSnapshot(ValueError):
    """The snapshot cannot be installed; the message says why. Nothing was changed."""


@dataclass(frozen=True)
class Written:
    """A snapshot of a table."""

    table: str
    """Name of the table."""
    version: str
    """Version of its content."""
    rows: int
    """Rows in it."""
    changed: bool
    """Whether it has changed."""


@dataclass(frozen=True)
class Installed:
    """Changes made by installing a snapshot."""

    table: str
    """Name of the table."""
    version: str
    """Version of its content."""
    rows: int
    """Rows of the table afterwards."""
    removed: int
    """Rows that were removed or changed."""
    added: int
    """Rows that were added or changed."""


def known_tables(names: tuple[str, ...] = DEFAULT_TABLES) -> list[sa.Table]:
    """The existing tables with these names."""
    return [tables.metadata.tables[name] for name in names if name in tables.metadata.tables]


def write_snapshot(connection: psycopg.Connection[Any], table: sa.Table, folder: UPath) -> Written:
    """Write the rows of a table as a version and make it the current one.

    Parameters
    ----------
    connection : psycopg.Connection
        The rows are read in one snapshot.
    table : Table
        Table with a primary key.
    folder : UPath
        Folder of all snapshots; that of the table is a subfolder.

    Returns
    -------
    Written
    """
    columns = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
                _columns_as(table, "text"), sql.Identifier(table.name), _names(keys)
            )
        )
        rows = cursor.fetchall()
    schema = arrow_schema(_as_texts(table))
    content = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema=schema)
    text = _csv(columns, rows)
    described = json.dumps(
        {"table": table.name, "format": SNAPSHOT_VERSION, "rows": len(rows), "key": keys, "columns": _columns(table)},
        indent=1,
    ).encode()
    version = hashlib.sha256(SNAPSHOT_VERSION.encode() + described + text).hexdigest()[:32]
    buffer = io.BytesIO()
    pq.write_table(content, buffer, compression="zstd")
    files = {f"{table.name}.parquet": buffer.getvalue(), f"{table.name}.csv": text, "schema.json": described}
    changed = publish(folder / table.name, files, version=version, about={"table": table.name, "rows": len(rows)})
    return Written(table.name, version, len(rows), changed)


def install_snapshot(connection: psycopg.Connection[Any], table: sa.Table, folder: UPath) -> Installed:
    """Replace a table of another database with that of a snapshot.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the other database, whose schema is migrated; uses one transaction.
    table : Table
        Table to replace.
    folder : UPath
        Folder of all snapshots.

    Raises
    ------
    BadSnapshot
        If the columns or the number of rows disagree with the description of the snapshot.
    DamagedProduct
        If a file is missing or damaged.
    """
    version, files = read_published(folder / table.name)
    content = _read(table, files)
    columns = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    target, staged = sql.Identifier(table.name), sql.Identifier("snapshot_new")
    same_key = sql.SQL(" AND ").join(sql.SQL("new.{0} = old.{0}").format(sql.Identifier(name)) for name in keys)
    new, old, inserted = (
        _columns_as(table, "text", "new"),
        _columns_as(table, "text", "old"),
        _columns_as(table, None, "new"),
    )
    with connection.transaction():
        in_turn(connection, f"{_LOCK} {table.name}")
        connection.execute("DROP TABLE IF EXISTS pg_temp.snapshot_new")
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                staged, _columns_as(table, "text"), target
            )
        )
        with connection.cursor() as cursor:
            copy.load(cursor, _as_texts(table), content, into="snapshot_new")
        connection.execute("ANALYZE snapshot_new")
        removed = connection.execute(
            sql.SQL(
                "DELETE FROM {} AS old WHERE NOT EXISTS (SELECT FROM {} AS new WHERE {}"
                " AND ROW({}) IS NOT DISTINCT FROM ROW({}))"
            ).format(target, staged, same_key, new, old)
        ).rowcount
        added = connection.execute(
            sql.SQL(
                "INSERT INTO {} ({}) SELECT {} FROM {} AS new WHERE NOT EXISTS (SELECT FROM {} AS old WHERE {})"
            ).format(target, _names(columns), inserted, staged, target, same_key)
        ).rowcount
        _raise_identities(connection, table)
    return Installed(table.name, version, len(content), removed, added)


def _raise_identities(connection: psycopg.Connection[Any], table: sa.Table) -> None:
    """Let the identifiers of new rows of the other database start after those of the snapshot."""
    for column in table.columns:
        if column.identity is not None:
            connection.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence(%s, %s), max({0})) FROM {1} HAVING max({0}) > 0").format(
                    sql.Identifier(column.name), sql.Identifier(table.name)
                ),
                (table.name, column.name),
            )


def _read(table: sa.Table, files: dict[str, bytes]) -> pa.Table:
    try:
        described = json.loads(files["schema.json"])
        content = pq.read_table(io.BytesIO(files[f"{table.name}.parquet"]))
    except KeyError as error:
        raise BadSnapshot(f"the snapshot of {table.name} has no file {error}") from None
    except (ValueError, OSError) as error:  # these include Arrow's errors
        raise BadSnapshot(f"the snapshot of {table.name} cannot be read: {error}") from error
    if described.get("format") != SNAPSHOT_VERSION or described.get("table") != table.name:
        raise BadSnapshot(
            f"the snapshot is of table {described.get('table')!r} in format {described.get('format')!r}; expected: "
            f"{table.name!r} in format {SNAPSHOT_VERSION!r}"
        )
    wanted, found = _columns(table), described.get("columns", [])
    if [(item["name"], item["type"]) for item in found] != [(item["name"], item["type"]) for item in wanted]:
        differing = {item["name"] for item in found} ^ {item["name"] for item in wanted}
        raise BadSnapshot(
            f"the columns of {table.name} differ from those of this database ({', '.join(sorted(differing)) or 'types'}"
            " differ); install the same version of broker_assets on both sides"
        )
    if len(content) != described["rows"]:
        raise BadSnapshot(f"the snapshot has {len(content)} rows, its description says {described['rows']}")
    return content


def _columns(table: sa.Table) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": str(column.type.compile(dialect=_POSTGRESQL)),
            "nullable": bool(column.nullable),
            "unit": column.info.get("unit", ""),
            "description": column.comment or "",
        }
        for column in table.columns
    ]


def _csv(columns: list[str], rows: list[tuple[Any, ...]]) -> bytes:
    """Rows as CSV (RFC 4180): null is an empty field, times are ISO 8601 UTC."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    writer.writerows([_text(value) for value in row] for row in rows)
    return buffer.getvalue().encode()


def _text(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    return value


def _as_texts(table: sa.Table) -> sa.Table:
    """The table with JSON documents as text, as in a snapshot."""
    columns = [
        sa.Column(column.name, sa.Text() if _is_document(column) else column.type, nullable=column.nullable)
        for column in table.columns
    ]
    return sa.Table(table.name, sa.MetaData(), *columns)


def _is_document(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.JSON)


def _columns_as(table: sa.Table, documents: str | None, alias: str | None = None) -> sql.Composable:
    """The columns, with documents cast to a type or, by default, to their own."""
    casts = {
        column.name: f"::{documents or column.type.compile(dialect=_POSTGRESQL)}" if _is_document(column) else ""
        for column in table.columns
    }
    return sql.SQL(", ").join(sql.SQL("{}" + cast).format(_place(name, alias)) for name, cast in casts.items())


def _place(name: str, alias: str | None) -> sql.Composable:
    return sql.Identifier(name) if alias is None else sql.Identifier(alias, name)


def _names(columns: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))

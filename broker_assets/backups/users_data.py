"""Logical backups of users' data: accounts, lists, filters, annotations, taxonomy, targets.

Everything else can be computed again from the packet archive and the telemetry; these data cannot. A table is one file,
the text of `COPY` (which `psql` reads, too), compressed with zstandard, with its columns in `contents.json`. All are
read in one snapshot. A backup is restored in one transaction, into tables of the migration revision with which it was
made, and is compared with the manifest before the transaction ends. What is computed or received refers to some of
these tables (classifications of brokers to classifiers, objects to root objects): such rows lose nothing by a restore.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import zstandard
from psycopg import sql

from broker_assets.backups.content import columns, identifier, revision, same_text, server_version, table_content
from broker_assets.backups.manifest import BackupError, Manifest, TableContent
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.database import migrations
from broker_assets.database.engine import connect, transaction

CONTENTS: Final = "contents.json"
"""Columns of each table, and values of the sequences."""
LEVEL: Final = 3
"""Level of the compression."""
BLOCK: Final = 1 << 20

USERS_DATA: Final = (
    "revision_counter",
    # Accounts. Sessions, mailed links and counts of wrong passwords are left out: they expire by themselves.
    "access.users",
    "access.groups",
    "access.memberships",
    "access.identities",
    "access.tokens",
    "access.shares",
    "access.key_pairs",
    "access.requests",
    "access.annotator_requests",
    "access.changes",
    "access.uploads",
    # Targets of accounts, with their comments and spectra
    "access.targets",
    "access.target_lists",
    "access.target_members",
    "access.target_comments",
    "access.spectra",
    "access.spectrum_versions",
    "access.observations",
    "access.observation_products",
    "access.calendar_events",
    "access.calendar_feeds",
    # Lists
    "watchlists",
    "watchlist_cones",
    "watchlist_cone_gone",
    "watchlist_periods",
    "areas",
    "area_periods",
    # Filters, and where their matches go. Feeds of changes are left out: their positions are numbers of batches, which
    # a new ledger counts from 1.
    "filters",
    "filter_versions",
    "filter_periods",
    "filter_sinks",
    "owner_contacts",
    "owner_messages",
    # So that no match is sent twice, even if the stream is read again from its beginning.
    "delivery_identities",
    # Annotations
    "annotators",
    "annotator_history",
    "annotations",
    "annotation_history",
    # Taxonomy, registered classifiers, targets and spectra of the target and observation manager
    "taxonomy_versions",
    "taxonomy_classes",
    "taxonomy_exact",
    "taxonomy_matches",
    "elasticc2_brokerclassifier",
    "elasticc2_diaobjectdetails",
    "elasticc2_diaobjectoftarget",
    "elasticc2_wantedspectra",
    "elasticc2_plannedspectra",
    "elasticc2_spectruminfo",
    "spectrum_facilities",
    # Versions of the processing, and spectra of root objects; objects find their root objects again by their positions.
    "processing_version",
    "processing_version_alias",
    "base_processing_version",
    "base_procver_of_procver",
    "root_diaobject",
    "wantedspectra",
    "plannedspectra",
    "spectruminfo",
)
"""Tables of users' data, ordered so that referenced tables come first."""


class OccupiedDatabase(BackupError):
    """The database has users' data already; the message names the tables."""


def write_users_data(url: str, shelf: Shelf) -> Backup:
    """Write users' data of a database as a new backup.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a role that reads all tables.
    shelf : Shelf
        Where it goes.

    Raises
    ------
    BackupError
        If the database was never migrated, or the disk is full.
    """
    begun = datetime.datetime.now(datetime.UTC)
    with shelf.building("users") as (folder, finish), _snapshot(url) as connection:
        step = revision(connection)
        if step is None:
            raise BackupError("the database has no tables yet: there is nothing to back up")
        contents = {table: columns(connection, table) for table in USERS_DATA}
        held = {table: table_content(connection, table) for table in USERS_DATA}
        for table in USERS_DATA:
            _write_table(connection, table, contents[table], _file(folder, table))
        (folder / CONTENTS).write_text(json.dumps({"columns": contents, "sequences": _sequences(connection)}, indent=1))
        manifest = Manifest(
            kind="users",
            begun=begun,
            ended=datetime.datetime.now(datetime.UTC),
            server=server_version(connection),
            revision=step,
            files=(),
            tables=held,
        )
        return finish(manifest)


def restore_users_data(shelf: Shelf, backup: Backup, url: str, *, replace: bool = False) -> dict[str, TableContent]:
    """Restore users' data, all or nothing.

    Parameters
    ----------
    shelf, backup : Shelf, Backup
        What is restored; all its files are compared with the manifest first.
    url : str
        SQLAlchemy URL of the owner of the tables. A database without tables gets those of the migration revision of the
        backup, and afterwards the later migrations.
    replace : bool
        Whether users' data that the database has are deleted, except rows to which other data of the database refer.

    Returns
    -------
    dict
        Content of each table after the restoration, without rows that were kept because other data refer to them.

    Raises
    ------
    DamagedBackup
        If a file differs from the manifest.
    OccupiedDatabase
        If the database has users' data and they are not to be replaced.
    BackupError
        If the database is at another migration revision, or its content differs from that of the backup.
    """
    manifest = shelf.opened(backup)
    if manifest.revision is None:
        raise BackupError(f"{backup.name} does not record the migration at which it was made")
    if not migrations.is_known(manifest.revision):
        raise BackupError(
            f"{backup.name} was made by a later release, at step {manifest.revision} of the migrations: restore it "
            "with that release"
        )
    present = migrations.current(url)
    fresh = present is None
    if fresh:
        migrations.upgrade(url, manifest.revision)
    elif present != manifest.revision:
        raise BackupError(
            f"{backup.name} is of the step {manifest.revision} of the migrations, and the database is at {present}: "
            "restore it into an empty database, which is then upgraded"
        )
    contents = json.loads((backup.path / CONTENTS).read_text())
    # The tables in the backup, whatever this code would save today.
    tables = list(contents["columns"])
    try:
        with transaction(url, application="broker-assets restore") as connection:
            if not fresh and not replace:
                _refuse_occupied(connection, tables)
            merged = {} if fresh else _referred_to(connection, tables)
            for table in merged:
                _stage(connection, table, contents["columns"][table], _file(backup.path, table))
            for table in reversed(tables):
                _delete(connection, table, merged.get(table, []))
            for table in tables:
                if table in merged:
                    _merge(connection, table, contents["columns"][table])
                else:
                    _read_table(connection, identifier(table), contents["columns"][table], _file(backup.path, table))
            _set_sequences(connection, contents["sequences"])
            same_text(connection)
            found = {
                table: table_content(
                    connection, table, where=_is_staged(connection, table) if table in merged else None
                )
                for table in tables
            }
            _compare(backup.name, manifest.tables, found)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise BackupError(f"{backup.name} cannot be restored, nothing was changed: {reason}") from error
    if fresh:
        migrations.upgrade(url)
    return found


def _compare(name: str, wanted: dict[str, TableContent], found: dict[str, TableContent]) -> None:
    for table, content in wanted.items():
        if found[table] != content:
            raise BackupError(
                f"{name}: {table} has {found[table].rows} rows (checksum {found[table].checksum}) after the restore, "
                f"and had {content.rows} (checksum {content.checksum}) when it was saved"
            )


def _refuse_occupied(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    asked = [table for table in tables if table in OF_USERS]
    occupied = []
    for table in asked:
        row = connection.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(identifier(table))).fetchone()
        if row is not None and row[0]:
            occupied.append(table)
    if occupied:
        raise OccupiedDatabase(f"the database has users' data already ({', '.join(occupied)}): nothing was changed")


OF_USERS: Final = frozenset(
    {"access.users", "access.targets", "watchlists", "areas", "filters", "annotators", "annotations"}
)
"""Tables that are empty in a new installation."""


@contextmanager
def _snapshot(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A read-only snapshot of the database."""
    connection = connect(url, application="broker-assets backup", read_only=True)
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        same_text(connection)
        yield connection
    finally:
        connection.close()


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.copy.zst"


def _list(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _write_table(connection: psycopg.Connection[Any], table: str, names: list[str], path: Path) -> None:
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_list(names), identifier(table))
    with (
        path.open("wb") as file,
        zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(file) as packed,
        connection.cursor().copy(statement) as copy,
    ):
        for block in copy:
            packed.write(block)


def _read_table(connection: psycopg.Connection[Any], table: sql.Identifier, names: list[str], path: Path) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(table, _list(names))
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as unpacked,
        connection.cursor().copy(statement) as copy,
    ):
        while block := unpacked.read(BLOCK):
            copy.write(block)


def _referred_to(connection: psycopg.Connection[Any], tables: list[str]) -> dict[str, list[sql.Composed]]:
    """Tables to which tables outside of the backup refer, with the conditions that a row `old` is referred to."""
    found: dict[str, list[sql.Composed]] = {}
    names = {row[0]: name for name in tables for row in connection.execute(_OID, (_text(connection, name),))}
    for child, parent, own, theirs in connection.execute(_REFERENCES, {"tables": list(names)}).fetchall():
        pairs = sql.SQL(" AND ").join(
            sql.SQL("other.{} = old.{}").format(sql.Identifier(one), sql.Identifier(another))
            for one, another in zip(own, theirs, strict=True)
        )
        condition = sql.SQL("EXISTS (SELECT FROM {} AS other WHERE {})").format(sql.Identifier(*child), pairs)
        found.setdefault(names[parent], []).append(condition)
    return found


_OID: Final = "SELECT %s::regclass::oid"
_REFERENCES: Final = """
SELECT ARRAY[space.nspname, child.relname]::text[], refers.confrelid,
    (SELECT array_agg(attname::text ORDER BY place) FROM unnest(refers.conkey) WITH ORDINALITY AS key (number, place)
     JOIN pg_attribute ON attrelid = refers.conrelid AND attnum = number),
    (SELECT array_agg(attname::text ORDER BY place) FROM unnest(refers.confkey) WITH ORDINALITY AS key (number, place)
     JOIN pg_attribute ON attrelid = refers.confrelid AND attnum = number)
FROM pg_constraint AS refers JOIN pg_class AS child ON child.oid = refers.conrelid
JOIN pg_namespace AS space ON space.oid = child.relnamespace
WHERE refers.contype = 'f' AND refers.conparentid = 0
    AND refers.confrelid = ANY(%(tables)s::oid[]) AND refers.conrelid <> ALL(%(tables)s::oid[])
"""
"""Foreign keys of tables outside of the backup: table, oid of the one referred to, and the columns of both."""


def _text(connection: psycopg.Connection[Any], table: str) -> str:
    return identifier(table).as_string(connection)


def _staged(table: str) -> sql.Identifier:
    return sql.Identifier("pg_temp", f"restored_{table.replace('.', '_')}")


def _stage(connection: psycopg.Connection[Any], table: str, names: list[str], path: Path) -> None:
    """Read the backup of a table into a temporary one."""
    statement = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
    connection.execute(sql.SQL(statement).format(_staged(table), _list(names), identifier(table)))
    _read_table(connection, _staged(table), names, path)
    key = _list(_primary_key(connection, table))
    connection.execute(sql.SQL("CREATE INDEX ON {} ({})").format(_staged(table), key))
    connection.execute(sql.SQL("ANALYZE {}").format(_staged(table)))


def _is_staged(connection: psycopg.Connection[Any], table: str) -> sql.Composed:
    """Condition that a row `old` is in the backup."""
    pairs = sql.SQL(" AND ").join(
        sql.SQL("restored.{0} = old.{0}").format(sql.Identifier(name)) for name in _primary_key(connection, table)
    )
    return sql.SQL("EXISTS (SELECT FROM {} AS restored WHERE {})").format(_staged(table), pairs)


def _delete(connection: psycopg.Connection[Any], table: str, referred_to: list[sql.Composed]) -> None:
    """Delete the rows of a table; of one that others refer to, only rows that nothing needs."""
    kept = [_is_staged(connection, table), *referred_to] if referred_to else [sql.SQL("false")]
    statement = sql.SQL("DELETE FROM {} AS old WHERE NOT ({})").format(identifier(table), sql.SQL(" OR ").join(kept))
    connection.execute(statement)


def _merge(connection: psycopg.Connection[Any], table: str, names: list[str]) -> None:
    """Bring the rows of the backup into a table that still has some of them."""
    key = _primary_key(connection, table)
    changed = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names if name not in key]
    action = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(changed)) if changed else sql.SQL("NOTHING")
    statement = "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT ({}) DO {}"
    connection.execute(
        sql.SQL(statement).format(identifier(table), _list(names), _list(names), _staged(table), _list(key), action)
    )


def _primary_key(connection: psycopg.Connection[Any], table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
        " WHERE indisprimary AND indrelid = %s::regclass ORDER BY attnum",
        (_text(connection, table),),
    ).fetchall()
    return [str(name) for (name,) in rows]


def _sequences(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Next values of the sequences of identity columns: by table, its column and value; none if never used."""
    found: dict[str, list[Any]] = {}
    for table in USERS_DATA:
        for name in columns(connection, table):
            row = connection.execute(
                "SELECT pg_get_serial_sequence(%s, %s)", (_text(connection, table), name)
            ).fetchone()
            if row is not None and row[0] is not None:
                last = connection.execute("SELECT pg_sequence_last_value(%s::regclass)", (row[0],)).fetchone()
                found[table] = [name, None if last is None else last[0]]
    return found


def _set_sequences(connection: psycopg.Connection[Any], sequences: dict[str, list[Any]]) -> None:
    for table, (name, value) in sequences.items():
        if value is not None:
            # Rows that were kept may have larger numbers than the backup.
            connection.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence(%s, %s), greatest(%s, (SELECT max({}) FROM {})))").format(
                    sql.Identifier(name), identifier(table)
                ),
                (_text(connection, table), name, value),
            )

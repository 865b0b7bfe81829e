"""Users' data: saved in one snapshot, restored all or nothing, also into an older or an empty database."""

from __future__ import annotations

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg import sql

import broker_assets.database.tables.desk  # noqa: F401 - its tables are among those of accounts
from broker_assets.access import accounts
from broker_assets.backups.manifest import BackupError, DamagedBackup
from broker_assets.backups.shelf import Shelf
from broker_assets.backups.users_data import (
    OF_USERS,
    USERS_DATA,
    OccupiedDatabase,
    restore_users_data,
    write_users_data,
)
from broker_assets.database import migrations
from broker_assets.database.engine import connect
from broker_assets.database.tables import metadata
from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.tom import tom_metadata
from broker_assets.tom.spectra import spectrum_store

pytestmark = pytest.mark.database

LEFT_OUT = {
    "access.sessions": "they end by themselves",
    "access.mailed_links": "they end by themselves",
    "access.trials": "queries that run at the moment",
    "access.login_challenges": "they end within minutes",
    "access.failed_guesses": "counts of wrong passwords, which end by themselves",
    "db_queryqueue": "results of queries, which can be asked again",
    "access.tap_jobs": "results of queries, which can be asked again",
    "access.tap_results": "results of queries, which can be asked again",
    "access.tap_uploads": "results of queries, which can be asked again",
    "message_uploads": "who sent which messages of brokers; the messages are not users' data either",
    "change_feeds": "their positions are numbers of batches",
    "deliveries": "the outbox; identities say what was queued",
}
"""Tables that belong to somebody and are not saved."""


SPECTRUM = "# Å, \\ and \t\n4000 1\n4001 2\n".encode("latin-1")


def every_table() -> dict[str, sa.Table]:
    return {
        table.fullname: table for each in (metadata, access_metadata, tom_metadata) for table in each.tables.values()
    }


def fill(url: str) -> None:
    with connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access.users (username, password, roles)"
            " VALUES ('ann', 'argon2', '{operator}'), ('b\tc\\', '', '{}')"
        )
        connection.execute(
            "INSERT INTO watchlists (owner, name, active, radius) SELECT 'ann', 'list ' || n, true, 5"
            " FROM generate_series(1, 3) n"
        )
        connection.execute(
            "INSERT INTO watchlist_cones (wl_id, name, ra, decl) SELECT wl_id, 'c' || n, n * 0.1, -n / 7.0"
            " FROM watchlists, generate_series(1, 500) n"
        )
        ann = accounts.get(connection, "ann")
        spectrum_store.add(connection, ann, SPECTRUM, "a.txt", diaobjectid=5)
        spectrum_store.add_version(connection, ann, 1, gzip.compress(SPECTRUM, mtime=0), "b.txt.gz")
        connection.execute(
            "INSERT INTO delivery_identities (identity) SELECT md5(n::text) FROM generate_series(1, 50) n"
        )


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with connect(url) as connection:
        return {
            table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()  # type: ignore[arg-type]
            for table in USERS_DATA
        }


def test_tables_are_complete_and_in_order() -> None:
    """What belongs to somebody is saved or left out for a reason; what is referred to is saved, and comes first."""
    tables = every_table()
    assert set(USERS_DATA) <= set(tables)
    assert set(USERS_DATA) >= OF_USERS
    place = {name: number for number, name in enumerate(USERS_DATA)}
    for name in USERS_DATA:
        for key in tables[name].foreign_keys:
            assert place.get(key.column.table.fullname, len(place)) < place[name], name
    owned = {
        name
        for name, table in tables.items()
        if table.schema == "access" or {"owner", "userid", "username"} & set(table.columns.keys())
    }
    assert owned - set(USERS_DATA) - set(LEFT_OUT) == set()


def test_restored_rows_are_equal(database_url: str, postgres: Any, new_database: Any, tmp_path: Path) -> None:
    fill(database_url)
    shelf = Shelf(tmp_path)
    before = rows(database_url)
    backup = write_users_data(database_url, shelf)
    assert backup.manifest is not None
    assert backup.manifest.tables["watchlist_cones"].rows == 1500

    with new_database() as empty:
        url = postgres.url(empty)
        held = restore_users_data(shelf, backup, url)
        assert rows(url) == before
        assert {name: one.rows for name, one in held.items()} == {name: len(one) for name, one in before.items()}
        assert migrations.current(url) == migrations.head()
        with connect(url, autocommit=True) as connection:
            # Files of spectra come back byte by byte, every version.
            files = [spectrum_store.file_of(connection, 1, version) for version in (1, 2)]
            assert files == [("a.txt", SPECTRUM), ("b.txt.gz", gzip.compress(SPECTRUM, mtime=0))]
            # Numbers continue after those that were given.
            made = connection.execute(
                "INSERT INTO access.users (username, password, roles) VALUES ('new', '', '{}') RETURNING userid"
            ).fetchone()
            assert made == (3,)
        with pytest.raises(OccupiedDatabase, match=r"access\.users, watchlists"):
            restore_users_data(shelf, backup, url)
        restore_users_data(shelf, backup, url, replace=True)
        assert rows(url) == before

        # A row that the database refuses, and a file that was exchanged: nothing changes.
        with connect(url, autocommit=True) as connection:
            connection.execute("UPDATE broker_schema_version SET version_num = '0001'")
        with pytest.raises(BackupError, match="at 0001"):
            restore_users_data(shelf, backup, url, replace=True)
        with connect(url, autocommit=True) as connection:
            connection.execute("UPDATE broker_schema_version SET version_num = %s", (migrations.head(),))
            connection.execute("ALTER TABLE watchlists ADD CHECK (name <> 'list 2') NOT VALID")
        with pytest.raises(BackupError, match="nothing was changed"):
            restore_users_data(shelf, backup, url, replace=True)
        assert rows(url) == before
    assert backup.manifest is not None
    later = replace(backup, manifest=backup.manifest.model_copy(update={"revision": "9999"}))
    with pytest.raises(BackupError, match="made by a later release, at step 9999"):
        restore_users_data(shelf, later, database_url, replace=True)
    (backup.path / "access.users.copy.zst").write_bytes(b"")
    with pytest.raises(DamagedBackup, match=r"access\.users"):
        restore_users_data(shelf, backup, database_url, replace=True)
    assert rows(database_url) == before


CLASSIFIER = (
    "INSERT INTO elasticc2_brokerclassifier (brokername, classifiername) VALUES ('fink', %s) RETURNING classifier_id"
)
ROOT = "INSERT INTO root_diaobject (id, ra, dec, survey, zone) VALUES (gen_random_uuid(), %s, 0, 1, 0) RETURNING id"
OBJECT = (
    "INSERT INTO diaobject (diaobjectid, base_procver_id, rootid)"
    " SELECT %s, id, %s FROM base_processing_version WHERE _table = 'diaobject' LIMIT 1"
)
CLASSIFICATION = (
    "INSERT INTO elasticc2_diaobjectclassification (latestclass1id, latestclass1prob, classifier_id, diaobject_id)"
    " VALUES (1, 0.5, %s, 7)"
)


def test_what_refers_to_users_data_loses_nothing(database_url: str, tmp_path: Path) -> None:
    """Classifications and objects are not users' data: a restore in their database neither removes nor is stopped."""
    fill(database_url)
    with connect(database_url, autocommit=True) as connection:

        def made(statement: str, *given: object) -> Any:
            row = connection.execute(statement, given).fetchone()  # type: ignore[call-overload]
            assert row is not None
            return row[0]

        connection.execute("INSERT INTO elasticc2_diaobjectdetails (diaobject_id, isddf) VALUES (7, false)")
        saved, root = made(CLASSIFIER, "saved"), made(ROOT, 10)
        connection.execute(OBJECT, (1, root))
        connection.execute(CLASSIFICATION, (saved,))
        backup = write_users_data(database_url, Shelf(tmp_path))
        # After the backup: changed, new and referred to, new and not referred to.
        connection.execute("UPDATE elasticc2_brokerclassifier SET brokername = 'changed'")
        connection.execute("UPDATE root_diaobject SET ra = 11")
        later = made(CLASSIFIER, "later")
        made(CLASSIFIER, "unused")
        connection.execute(CLASSIFICATION, (later,))
        later_root, unused_root = made(ROOT, 20), made(ROOT, 30)
        connection.execute(OBJECT, (2, later_root))

        held = restore_users_data(Shelf(tmp_path), backup, database_url, replace=True)
        assert (held["elasticc2_brokerclassifier"].rows, held["root_diaobject"].rows) == (1, 1)
        classifiers = "SELECT classifier_id, brokername FROM elasticc2_brokerclassifier ORDER BY 1"
        assert connection.execute(classifiers).fetchall() == [(saved, "fink"), (later, "fink")]
        roots = connection.execute("SELECT id, ra FROM root_diaobject ORDER BY ra").fetchall()
        assert roots == [(root, 10), (later_root, 20)]
        assert unused_root not in dict(roots)
        assert connection.execute("SELECT diaobjectid, rootid FROM diaobject ORDER BY 1").fetchall() == [
            (1, root),
            (2, later_root),
        ]
        given = "SELECT classifier_id FROM elasticc2_diaobjectclassification ORDER BY 1"
        assert connection.execute(given).fetchall() == [(saved,), (later,)]
        # The next number is none of those that are taken.
        assert made(CLASSIFIER, "next") > later


def test_an_empty_database_has_nothing_to_save(postgres: Any, new_database: Any, tmp_path: Path) -> None:
    made: AbstractContextManager[str] = new_database()
    with made as empty, pytest.raises(BackupError, match="no tables"):
        write_users_data(postgres.url(empty), Shelf(tmp_path))
    assert Shelf(tmp_path).backups() == []


def test_one_snapshot(database_url: str, tmp_path: Path) -> None:
    """Rows that are deleted while it is being written are in the backup, in every table."""
    fill(database_url)
    shelf = Shelf(tmp_path)
    with connect(database_url) as other, ThreadPoolExecutor(1) as threads:
        # The backup waits at its last table, when it has read the others once.
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(USERS_DATA[-1])))
        backup = threads.submit(write_users_data, database_url, shelf)
        deadline = time.monotonic() + 60
        with connect(database_url, autocommit=True) as watching:
            while watching.execute(WAITING, (USERS_DATA[-1],)).fetchone() != (1,):
                assert not backup.done(), backup.exception()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        other.execute("DELETE FROM watchlists")
        other.execute("DELETE FROM delivery_identities")
        other.commit()
        made = backup.result()
    restored = restore_users_data(shelf, made, database_url, replace=True)
    assert (restored["watchlists"].rows, restored["delivery_identities"].rows) == (3, 50)


WAITING = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
"""Readers and writers of a table that wait for a lock."""

"""The handle to the database: transactions, and what is said when there is none."""

from __future__ import annotations

import psycopg
import pytest

from broker_assets.resources.database import DATABASE_AWAY, Database, DatabaseNotConfiguredError
from broker_assets.settings import DatabaseSettings, Settings


@pytest.mark.database
def test_work_is_kept_whole_or_not_at_all(database_url: str) -> None:
    database = Database.of(Settings(database=DatabaseSettings(url=database_url)))  # type: ignore[arg-type]
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept (n integer)")

    def half() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
            connection.execute("SELECT * FROM no_such_table")

    with pytest.raises(psycopg.errors.UndefinedTable):
        half()
    with database.engine.connect() as other:
        assert other.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0


def test_without_a_database_definitions_load_and_use_says_what_to_do() -> None:
    database = Database.of(Settings(database=DatabaseSettings()))
    assert repr(database) == "Database(not configured)"
    with pytest.raises(DatabaseNotConfiguredError, match="BROKER_DATABASE__URL"):
        database.transaction()
    with pytest.raises(DATABASE_AWAY):
        assert database.url


def test_an_absent_server_is_away() -> None:
    with pytest.raises(DATABASE_AWAY), Database("postgresql+psycopg://me@127.0.0.1:1/x").transaction():
        pass


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(Database("postgresql+psycopg://me:secret@host/broker"))
    assert "host" in repr(Database("postgresql+psycopg://me:secret@host/broker"))


@pytest.mark.database
def test_the_code_server_keeps_its_connections(database_url: str) -> None:
    settings = Settings(database=DatabaseSettings(url=database_url))  # type: ignore[arg-type]

    def backends(database: Database) -> list[object]:
        found: list[object] = []
        for asked in (database, database.in_schema("pg_catalog")):
            with asked.transaction() as connection:
                found += connection.execute("SELECT pg_backend_pid(), current_schema()").fetchone() or ()
        with database.engine.connect() as other:
            found.append(other.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        with database.transaction(statement_timeout=1.0) as connection:
            found += connection.execute("SHOW statement_timeout").fetchone() or ()
        return found

    keeping = Database.of(settings, keep=True)
    first = backends(keeping)
    assert backends(keeping) == first
    assert first[-1] == "1s", "a connection with other options is its own"
    others = [backends(Database.of(settings)) for _ in range(2)]
    assert len({found for row in (first, *others) for found in row if isinstance(found, int)}) == 9

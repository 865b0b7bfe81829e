"""Connections: what is said when there is none, and what is never said."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from broker_assets.database import engine, migrations


def test_a_database_that_is_away_is_named_without_its_password(tmp_path) -> None:
    url = f"postgresql+psycopg://writer:hunter2@/broker?host={tmp_path}"
    for attempt in (engine.connect, migrations.upgrade):
        with pytest.raises(engine.DatabaseUnavailableError) as caught:
            attempt(url)
        assert "broker at" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PostgreSQL URL: mysql") as caught:
        engine.conninfo("mysql://u:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.database
def test_connections_carry_a_name_and_limits(database_url: str) -> None:
    with engine.connect(database_url, application="tests", statement_timeout=1.5, lock_timeout=2) as connection:
        settings = [
            connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("application_name", "statement_timeout", "lock_timeout", "timezone")
        ]
    assert settings == [("tests",), ("1500ms",), ("2s",), ("UTC",)]


@pytest.mark.database
def test_a_driver_that_connects_by_itself_takes_the_limits(dagster_url: str) -> None:
    """psycopg2, which Dagster uses, has no arguments of ours: they are in the URL."""
    with sa.create_engine(engine.watched(dagster_url)).connect() as connection:
        given = connection.connection.dbapi_connection.info.dsn_parameters  # type: ignore[union-attr]
        assert {name: given[name] for name in engine.NETWORK_LOST} == {
            name: str(value) for name, value in engine.NETWORK_LOST.items()
        }


@pytest.mark.database
def test_a_transaction_is_committed_or_undone(database_url: str) -> None:
    def fail() -> None:
        with engine.transaction(database_url) as connection:
            connection.execute("INSERT INTO code (asset, code_version) VALUES ('a', '1')")
            connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        fail()
    with engine.transaction(database_url) as connection:
        connection.execute("INSERT INTO code (asset, code_version) VALUES ('b', '1')")
    with engine.transaction(database_url) as connection:
        assert connection.execute("SELECT asset FROM code").fetchall() == [("b",)]
    with engine.engine(database_url).connect() as another:
        assert another.exec_driver_sql("SELECT asset FROM code").fetchall() == [("b",)]

"""Connections that are kept are as new at each transaction, and replaced when the server has ended them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import LiteralString

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.database.kept import MOST, Connection, KeptConnections

pytestmark = pytest.mark.database


def backend(connection: Connection) -> int:
    """The process of the server."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def used(kept: KeptConnections) -> int:
    with kept.transaction() as connection:
        return backend(connection)


def ask(kept: KeptConnections, *statements: LiteralString) -> None:
    with kept.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_transaction_finds_a_new_session_on_a_kept_connection(database_url: str) -> None:
    kept = KeptConnections(database_url)
    with kept.transaction(connect_timeout=2.0) as connection:
        first = backend(connection)
        connection.execute("SET statement_timeout = 1234")
        connection.execute("CREATE TEMPORARY TABLE mine (n integer)")
        connection.execute("SELECT pg_advisory_lock(1)")
        for _ in range(8):  # psycopg prepares what is asked often
            connection.execute("SELECT 1 + %s", (1,))
    with kept.transaction() as connection:
        assert backend(connection) == first
        for _ in range(8):
            assert connection.execute("SELECT 1 + %s", (1,)).fetchone() == (2,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",), "what the connection began with"
        assert connection.execute("SELECT to_regclass('pg_temp.mine')").fetchone() == (None,)
        with engine.transaction(database_url) as other:
            assert other.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)


def test_a_failed_transaction_is_rolled_back_and_its_connection_kept(database_url: str) -> None:
    kept = KeptConnections(database_url)
    first = used(kept)
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask(kept, "CREATE TABLE half (n integer)", "SELECT 1 / 0")
    with kept.transaction() as connection:
        assert backend(connection) == first
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_what_the_server_has_ended_is_replaced(database_url: str) -> None:
    kept = KeptConnections(database_url)
    first = used(kept)
    with engine.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    assert used(kept) != first
    with pytest.raises(psycopg.OperationalError):
        ask(kept, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT pg_sleep(5)")
    assert used(kept)


def test_only_some_are_kept_and_none_for_ever(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptConnections(database_url)

    def nested(depth: int) -> set[int]:
        with kept.transaction() as connection:
            return {backend(connection)} | (nested(depth - 1) if depth else set())

    before = nested(MOST + 1)
    assert len(before) == MOST + 2
    assert len(before & nested(MOST + 1)) == MOST
    monkeypatch.setattr(engine, "RECYCLE_SECONDS", 0)
    assert used(kept) not in before


def test_an_absent_server_is_said(database_url: str) -> None:
    with (
        pytest.raises(DatabaseUnavailableError),
        KeptConnections("postgresql+psycopg://me@127.0.0.1:1/x").transaction(),
    ):
        pass


def test_a_forked_process_leaves_them_to_its_parent(database_url: str) -> None:
    program = """
import os, sys
from broker_assets.database.kept import KeptConnections
from broker_assets.resources.database import Database
kept = KeptConnections(sys.argv[1])
pool = Database(sys.argv[1], keep=True).engine
def backends():
    with kept.transaction() as connection, pool.connect() as other:
        return {connection.execute("SELECT pg_backend_pid()").fetchone()[0],
                other.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()}
mine = backends()
child = os.fork()
if child == 0:
    os._exit(0 if not backends() & mine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert backends() == mine, "the child has closed the connections of its parent"
"""
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=120, env=dict(os.environ))

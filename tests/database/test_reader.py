"""The role of the web application reads everything and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from broker_assets.api import create_app
from broker_assets.database.engine import connect
from broker_assets.database.reader import create_reader
from broker_assets.settings import DatabaseSettings, KafkaSettings, Settings

pytestmark = pytest.mark.database

WRITES = (
    "INSERT INTO ingest_batch (topic) VALUES ('x')",
    "UPDATE quarantine SET reason = 'x'",
    "DELETE FROM diasources",
    "TRUNCATE quarantine",
    "DROP TABLE quarantine",
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "ALTER TABLE quarantine ADD COLUMN mine int",
    "SELECT * FROM quarantine FOR UPDATE",
    "COPY quarantine FROM STDIN",
    "COPY quarantine TO PROGRAM 'true'",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SELECT setval(pg_get_serial_sequence('ingest_batch', 'ingestid'), 1)",
)


@pytest.fixture
def reader_url(database_url: str) -> Iterator[str]:
    """URL of a reader of the database of this test."""
    name = "reader_of_a_test"
    url = make_url(database_url).set(username=name, password="pass'word").render_as_string(hide_password=False)
    create_reader(database_url, url)
    yield url
    with connect(database_url, application="test", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("write", WRITES)
def test_it_cannot_write_even_if_it_asks_for_it(reader_url: str, write: str) -> None:
    with connect(reader_url, application="test", autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            connection.execute(write)


def test_it_reads_every_table_also_later_ones(database_url: str, reader_url: str) -> None:
    with connect(database_url, application="test", autocommit=True) as connection:
        connection.execute("CREATE TABLE later (a int)")
    with connect(reader_url, application="test", autocommit=True) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            )
        ]
        assert "later" in tables
        assert len(tables) > 20
        for name in tables:
            connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


def test_it_can_be_created_again(database_url: str, reader_url: str) -> None:
    for _ in range(2):
        create_reader(database_url, reader_url)
    with connect(reader_url) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize("user", ["", None, "the owner"])
def test_it_is_not_the_owner(database_url: str, user: str | None) -> None:
    url = make_url(database_url)
    with pytest.raises(ValueError, match="READER_URL"):
        create_reader(url, url if user == "the owner" else url.set(username=user))


def test_the_api_works_with_it_alone(
    reader_url: str, tmp_path: Path, running: Callable[[Settings], AbstractContextManager[httpx.Client]]
) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(reader_url=reader_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": "500"}),
    )
    with running(settings) as client:
        assert client.get("/ready").json() == {"status": "ok"}
        services = {entry["name"]: entry["state"] for entry in client.get("/api/status").json()["services"]}
        assert services["database"] == "running"
        assert client.get("/api/telemetry").json()["problems"] == []
        assert client.get("/api/objects/1/lightcurve").status_code == 404
        assert client.get("/metrics").status_code == 200


@pytest.fixture
def running() -> Callable[[Settings], AbstractContextManager[httpx.Client]]:
    """A function that makes a client of the application."""
    from fastapi.testclient import TestClient

    return lambda settings: TestClient(create_app(settings))

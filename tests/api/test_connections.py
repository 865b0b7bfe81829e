"""Connections of the web application: bounded, checked, and back after the database was away."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psycopg
import pytest

from broker_assets.api.connections import Connections, QuestionTooLongError
from broker_assets.database import migrations
from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.settings import DatabaseSettings, ServerSettings, Settings

pytestmark = pytest.mark.database

Serve = Callable[[Settings], AbstractContextManager[str]]
CURVE = "/api/objects/1/lightcurve"
"""Asks the database, which does not know the object: 404."""


def settings_for(url: str, home: Path, **server: int) -> Settings:
    return Settings(
        home=home,
        database=DatabaseSettings(url=url),  # type: ignore[arg-type]
        server=ServerSettings(**server),  # type: ignore[arg-type]
        streams=[],
    )


def at_once(client: httpx.Client, path: str, number: int) -> list[httpx.Response]:
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(client.get, [path] * number))


@pytest.fixture
def connections(database_url: str) -> Iterator[Connections]:
    made = Connections(database_url, most=2)
    made.open()
    yield made
    made.close()


@pytest.mark.slow
def test_the_application_survives_a_restart_of_the_database(service_folder: Path, tmp_path: Path, serve: Serve) -> None:
    server = EmbeddedPostgres(service_folder / "restarted", configuration={"fsync": "off"})
    with server:
        migrations.upgrade(server.url())
        with serve(settings_for(server.url(), tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as client:
            assert {answer.status_code for answer in at_once(client, CURVE, 8)} == {404}
            # Idle connections that the server has closed are not noticed by those who ask.
            server.stop()
            server.start()
            assert {answer.status_code for answer in at_once(client, CURVE, 8)} == {404}

            server.stop()
            began = time.monotonic()
            away = [*at_once(client, CURVE, 8), client.get(CURVE), client.get(CURVE)]
            assert time.monotonic() - began < 20
            assert {answer.status_code for answer in away} == {503}
            assert {answer.json()["detail"] for answer in away} == {
                "the database is unavailable; try again in a moment"
            }
            assert {answer.headers["retry-after"] for answer in away} == {"5"}
            assert client.get("/ready").status_code == 503
            time.sleep(3.0)  # the pool has given up trying by itself

            server.start()
            deadline = time.monotonic() + 10
            while client.get("/ready").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert {answer.status_code for answer in at_once(client, CURVE, 8)} == {404}


def test_connections_that_the_server_ended_are_replaced(database_url: str, tmp_path: Path, serve: Serve) -> None:
    with (
        serve(settings_for(database_url, tmp_path)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        connect(database_url, autocommit=True) as operator,
    ):
        for _ in range(3):
            at_once(client, CURVE, 8)
            ended = operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'broker-assets api' AND datname = current_database()"
            ).fetchall()
            assert ended
            assert client.get(CURVE).status_code == 404


@pytest.mark.slow
def test_no_more_connections_than_allowed(database_url: str, tmp_path: Path, serve: Serve) -> None:
    with (
        serve(settings_for(database_url, tmp_path, database_connections=2)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        connect(database_url) as blocker,
        ThreadPoolExecutor(5) as threads,
    ):
        blocker.execute("LOCK TABLE objects IN ACCESS EXCLUSIVE MODE")
        asked = [threads.submit(client.get, CURVE) for _ in range(5)]
        refused = [future.result() for future in itertools.islice(as_completed(asked, timeout=60), 3)]
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.json()["detail"] for answer in refused} == {"too many requests at once; try again in a moment"}
        (number,) = blocker.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'broker-assets api' AND datname = current_database()"
        ).fetchone() or (0,)
        assert number == 2
        blocker.rollback()
        assert sorted(future.result().status_code for future in asked) == [404, 404, 503, 503, 503]
        assert client.get(CURVE).status_code == 404


def test_a_question_that_takes_too_long_does_not_mean_that_the_database_is_away(connections: Connections) -> None:
    question = "SET LOCAL statement_timeout = 50; SELECT pg_sleep(10)"
    with pytest.raises(QuestionTooLongError), connections.use() as connection:
        connection.execute(question)
    with connections.use() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("20s",)


def test_requests_cannot_write(connections: Connections) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), connections.use() as connection:
        connection.execute("DELETE FROM objects")


def test_no_database_at_all() -> None:
    connections = Connections(None)
    connections.open()
    with pytest.raises(DatabaseUnavailableError, match="configured"), connections.use():
        pass
    connections.close()


def test_nobody_there_is_said_at_once_and_without_the_password() -> None:
    connections = Connections("postgresql+psycopg://reader:very-secret@127.0.0.1:1/broker")
    connections.open()
    try:
        began = time.monotonic()
        where = re.escape("broker at 127.0.0.1:1 as reader")
        with pytest.raises(DatabaseUnavailableError, match=where) as caught, connections.use():
            pass
        assert time.monotonic() - began < 3.0
        assert "very-secret" not in str(caught.value)
    finally:
        connections.close()


def test_requests_share_connections(connections: Connections) -> None:
    seen: set[int] = set()
    barrier = threading.Barrier(2)

    def ask(_: int) -> int:
        barrier.wait(30)
        with connections.use() as connection:
            return connection.info.backend_pid

    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            seen |= set(threads.map(ask, range(2)))
    assert 1 <= len(seen) <= 2

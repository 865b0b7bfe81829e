"""Threads that run asynchronous queries: what a server leaves when it ends is done by the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.api.connections import Connections
from broker_assets.api.vo.tap_worker import TapWorker
from broker_assets.database.engine import connect
from broker_assets.filters import tap_jobs
from broker_assets.filters.tap_jobs import Owner

pytestmark = pytest.mark.database
SLOW = "SELECT COUNT(*) AS n FROM " + ", ".join(f"objects AS {name}" for name in "abcdefgh")


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> str:
    with connect(module_database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 200) AS n")
    return module_database_url


@pytest.fixture
def connection(filled: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(filled, autocommit=True) as opened:
        yield opened
        opened.execute("DELETE FROM access.tap_jobs")


@pytest.fixture
def worker(filled: str) -> Iterator[Callable[[], TapWorker]]:
    """A function that makes workers, which end with the test."""
    made: list[tuple[TapWorker, list[Connections]]] = []

    def make() -> TapWorker:
        pools = [Connections(filled, most=4), Connections(filled, most=4, writes=True)]
        for pool in pools:
            pool.open()
        found = TapWorker(*pools)
        made.append((found, pools))
        return found

    yield make
    for one, pools in made:
        one.stop()
        for pool in pools:
            pool.close()


def job(connection: psycopg.Connection[Any], query: str) -> str:
    values = {"QUERY": query, "LANG": "ADQL"}
    made = tap_jobs.make(connection, Owner(None, "a"), values, uploads={}, most_rows=10, duration=100, server="")
    tap_jobs.queue(connection, made)
    return made


def reaches(connection: psycopg.Connection[Any], jobid: str, phase: str) -> tap_jobs.Job:
    deadline = time.monotonic() + 30
    while (found := tap_jobs.get(connection, None, jobid)).phase != phase:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_what_a_server_leaves_is_done_by_the_next(
    connection: psycopg.Connection[Any], worker: Callable[[], TapWorker]
) -> None:
    slow, quick = job(connection, SLOW), job(connection, "SELECT COUNT(*) AS n FROM objects")
    first = worker()
    first.wake()
    first.wake()
    reaches(connection, slow, "EXECUTING")
    assert reaches(connection, quick, "COMPLETED").bytes > 0
    first.stop()
    assert reaches(connection, slow, "QUEUED").attempts == 0
    first.wake()  # it has ended
    assert tap_jobs.get(connection, None, slow).phase == "QUEUED"
    second = worker()
    second.begin()
    assert reaches(connection, slow, "EXECUTING").attempts == 1
    tap_jobs.destroy(connection, slow)
    second.look()
    third = job(connection, "SELECT 1 AS n FROM objects")
    second.wake()
    reaches(connection, third, "COMPLETED")
    assert b"".join(tap_jobs.result(connection, third)).count(b"<TR>") == 10


def test_what_fails_and_what_takes_too_long(
    connection: psycopg.Connection[Any], worker: Callable[[], TapWorker]
) -> None:
    wrong, slow = job(connection, "SELECT nothing FROM objects"), job(connection, SLOW)
    connection.execute("UPDATE access.tap_jobs SET duration = 1 WHERE jobid = %s", (slow,))
    worker().wake()
    assert "nothing" in reaches(connection, wrong, "ERROR").said
    assert "longer than 1 s" in reaches(connection, slow, "ERROR").said
    assert list(tap_jobs.result(connection, slow)) == []

"""A request that PostgreSQL rolls back for a deadlock is answered again: its user sees the answer, not the deadlock."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from raced_site import Race, raced_site

from broker_assets.api.conflicts import ATTEMPTS, LARGEST_BODY, AnswerAgain, ConflictError, again, note
from broker_assets.api.connections import Connections
from broker_assets.database import engine

CROSSED = """
CREATE TABLE crossed (number int PRIMARY KEY, times int NOT NULL);
INSERT INTO crossed VALUES (1, 0), (2, 0);
GRANT ALL ON crossed TO PUBLIC;
CREATE FUNCTION cross_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE crossed SET times = times + 1 WHERE number = 1;
    UPDATE crossed SET times = times + 1 WHERE number = 2;
    RETURN NEW;
END $$;
CREATE TRIGGER crossed BEFORE INSERT ON access.targets FOR EACH ROW EXECUTE FUNCTION cross_rows();
"""
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


@pytest.fixture
def race(database_url: str, tmp_path: Path) -> Iterator[Race]:
    with raced_site(database_url, tmp_path) as race:
        yield race


def in_the_way(database_url: str, ask: Callable[[], Any]) -> Any:
    """Ask while another transaction takes the same two rows in the other order; PostgreSQL ends the one asked for."""
    found: list[Any] = []
    with engine.connect(database_url) as other, engine.connect(database_url, autocommit=True) as observer:
        other.execute("SET deadlock_timeout = '60s'")  # the one asked for notices first
        other.execute("UPDATE crossed SET times = times + 1 WHERE number = 2")
        asking = threading.Thread(target=lambda: found.append(ask()))
        asking.start()
        deadline = time.monotonic() + 20
        while observer.execute(WAITS).fetchone() == (0,):
            assert time.monotonic() < deadline, "it does not wait for the row"
            time.sleep(0.01)
        other.execute("UPDATE crossed SET times = times + 1 WHERE number = 1")
        other.commit()
        asking.join(30)
    return found[0]


@pytest.mark.database
def test_a_deadlock_is_not_seen(race: Race, database_url: str) -> None:
    race.connection.execute(CROSSED.encode())

    def document() -> httpx.Response:
        return race.runners[0].post("/targets", json={"name": "M 1", "ra": 83.6, "dec": 22})

    def form() -> httpx.Response:
        browser, token = race.browsers[0]
        sent = {"name": "M 2", "type": "SIDEREAL", "ra": "323.4", "dec": "-0.8", "csrfmiddlewaretoken": token}
        return browser.post("/targets/create/", data=sent)

    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = race.value(deadlocks)
    assert in_the_way(database_url, document).status_code == 201
    assert in_the_way(database_url, form).status_code == 303
    assert race.value("SELECT string_agg(name, ',' ORDER BY name) FROM access.targets WHERE owner = 'ann'") == "M 1,M 2"
    assert race.value("SELECT string_agg(times::text, ',') FROM crossed") == "4,4"
    race.connection.execute("SELECT pg_stat_clear_snapshot()")
    assert race.value(deadlocks) >= before


@pytest.mark.database
def test_a_transaction_may_be_repeated_alone(database_url: str) -> None:
    """For requests that are too large to be read again; what PostgreSQL rolled back is one error of all connections."""
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute(CROSSED.split("CREATE TRIGGER")[0].encode())
    connections = Connections(database_url, writes=True)
    connections.open()
    attempts = itertools.count(1)
    last = 0

    def attempt() -> None:
        nonlocal last
        last = next(attempts)
        with connections.use() as connection, connection.transaction():
            connection.execute("UPDATE crossed SET times = times + 1 WHERE number = 1")
            connection.execute("UPDATE crossed SET times = times + 1 WHERE number = 2")

    in_the_way(database_url, lambda: again(attempt))
    assert last == 2
    with pytest.raises(ConflictError), connections.use() as connection:
        connection.execute("DO $$ BEGIN RAISE serialization_failure; END $$")
    connections.close()


class Answers:
    """An application that is in the way of others a few times."""

    def __init__(self, conflicts: int, *, committed: bool = False, status: int = 503) -> None:
        self.conflicts = conflicts
        self.committed = committed
        self.status = status
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        in_conflict = len(self.bodies) <= self.conflicts
        if in_conflict:
            note(conflict=True, committed=self.committed)
        assert "seen" not in scope["state"]
        scope["state"]["seen"] = True
        await send({"type": "http.response.start", "status": self.status if in_conflict else 200, "headers": []})
        await send({"type": "http.response.body", "body": b"conflict" if in_conflict else b"done"})


def answered(application: Answers, *pieces: bytes) -> tuple[int, bytes]:
    """What a client gets."""
    sent: list[Any] = []
    coming = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(AnswerAgain(application)({"type": "http", "state": {}}, receive, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("application", "pieces", "expected", "times"),
    [
        (Answers(0), [b"a"], (200, b"done"), 1),
        (Answers(2), [b"a", b"b"], (200, b"done"), 3),
        (Answers(ATTEMPTS), [b""], (503, b"conflict"), ATTEMPTS),
        (Answers(1, committed=True), [b"a"], (503, b"conflict"), 1),
        (Answers(1, status=201), [b"a"], (201, b"conflict"), 1),
        (Answers(1), [b"x" * LARGEST_BODY], (200, b"done"), 2),
        (Answers(1), [b"x" * LARGEST_BODY, b"y"], (503, b"conflict"), 1),
    ],
    ids=["none", "two", "always", "something is committed", "answered itself", "largest", "too large"],
)
def test_what_is_answered_again(
    application: Answers, pieces: list[bytes], expected: tuple[int, bytes], times: int
) -> None:
    assert answered(application, *pieces) == expected
    assert application.bodies == [b"".join(pieces)] * times


def test_nothing_is_noted_outside_a_request() -> None:
    note(conflict=True, committed=True)
    with pytest.raises(psycopg.OperationalError):
        again(lambda: (_ for _ in ()).throw(psycopg.OperationalError("not in the way")))

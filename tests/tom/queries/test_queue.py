"""The queue: fair between accounts, one run for each query, and nobody sees another's."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.tom.queries import queue
from broker_assets.tom.queries.queue import LostError, TooManyQueriesError, UnknownQueryError
from broker_assets.tom.queries.statements import statements_of

pytestmark = pytest.mark.database
ONE = statements_of("SELECT %(a)s", {"a": [1, "x"]})


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        for name in ("anna", "bob", "cleo"):
            accounts.add(opened, name, None)
        yield opened


def silence(connection: psycopg.Connection[Any], query: queue.Queued) -> None:
    """Let a run have said nothing for long."""
    connection.execute(
        "UPDATE db_queryqueue SET seen_at = seen_at - interval '1 hour' WHERE queryid = %s", (query.queryid,)
    )


def test_the_life_of_a_query(connection: psycopg.Connection[Any]) -> None:
    assert not queue.is_waiting(connection)
    identifier = queue.submit(connection, 1, ONE, "csv")
    assert queue.is_waiting(connection)
    assert queue.get(connection, 1, identifier).state == "queued"
    taken = queue.take(connection)
    assert taken is not None
    assert taken.statements == ONE
    assert taken.file == f"{identifier}.csv"
    assert not queue.is_waiting(connection)
    assert queue.take(connection) is None
    queue.say(connection, taken, 1, 500)
    running = queue.get(connection, 1, identifier)
    assert (running.state, running.statement, running.resultrows) == ("started", 1, 500)
    assert queue.finish(connection, taken, 700, 12)
    done = queue.get(connection, 1, identifier)
    assert (done.state, done.resultrows, done.resultbytes, done.errortext) == ("finished", 700, 12, None)
    assert not queue.fail(connection, taken, "late")
    assert queue.expired(connection, 1) == []
    old = queue.expired(connection, -1)
    assert [one.queryid for one in old] == [identifier]
    queue.forget(connection, old)
    assert queue.listed(connection, 1) == []


def test_a_user_sees_only_his_own(connection: psycopg.Connection[Any]) -> None:
    identifier = queue.submit(connection, 1, ONE, "csv")
    assert [one.queryid for one in queue.listed(connection, 1)] == [identifier]
    assert queue.listed(connection, 2) == []
    assert not queue.cancel(connection, 2, identifier)
    for userid, wanted in ((2, identifier), (1, uuid.uuid4())):
        with pytest.raises(UnknownQueryError, match=f"^Unknown query {wanted}$"):
            queue.get(connection, userid, wanted)
    with pytest.raises(ValueError, match=r"^Unknown format xml$"):
        queue.submit(connection, 1, ONE, "xml")


def test_turns_are_fair(connection: psycopg.Connection[Any]) -> None:
    for userid in (1, 1, 1, 1, 2, 2, 3):
        queue.submit(connection, userid, ONE, "csv")
    running = [queue.take(connection) for _ in range(7)]
    assert [one.userid for one in running if one] == [1, 2, 3, 1, 2, 1, 1]
    # One at a time: whose last began longest ago.
    for userid in (1, 1, 2, 3):
        queue.submit(connection, userid, ONE, "csv")
    for one in running:
        assert one is not None
        queue.finish(connection, one, 0, 0)
    order = []
    while (one := queue.take(connection)) is not None:
        order.append(one.userid)
        queue.finish(connection, one, 0, 0)
    assert order == [3, 2, 1, 1]


def test_a_query_whose_run_died_is_taken_again_but_not_for_ever(connection: psycopg.Connection[Any]) -> None:
    identifier = queue.submit(connection, 1, ONE, "csv")
    first = queue.take(connection)
    assert first is not None
    silence(connection, first)
    assert queue.is_waiting(connection)
    second = queue.take(connection)
    assert second is not None
    assert second.queryid == identifier
    # The first was not dead after all; it has lost the query.
    with pytest.raises(LostError):
        queue.say(connection, first, 1, 1)
    assert not queue.finish(connection, first, 0, 0)
    silence(connection, second)
    third = queue.take(connection)
    assert third is not None
    assert queue.give_back(connection, third)
    assert queue.get(connection, 1, identifier).state == "queued"
    third = queue.take(connection)
    assert third is not None
    silence(connection, third)
    assert queue.take(connection) is None
    failed = queue.get(connection, 1, identifier)
    assert failed.state == "error"
    assert "3 times" in str(failed.errortext)


def test_a_query_is_cancelled(connection: psycopg.Connection[Any]) -> None:
    waiting, running = (queue.submit(connection, 1, ONE, "csv") for _ in range(2))
    assert queue.cancel(connection, 1, waiting)
    assert not queue.cancel(connection, 1, waiting)
    taken = queue.take(connection)
    assert taken is not None
    assert taken.queryid == running
    assert queue.cancel(connection, 1, running)
    with pytest.raises(LostError):
        queue.say(connection, taken, 1, 1)
    assert {one.errortext for one in queue.listed(connection, 1)} == {"cancelled"}


def test_several_runs_at_once_take_each_query_once(database_url: str, connection: psycopg.Connection[Any]) -> None:
    submitted = {queue.submit(connection, userid, ONE, "csv") for userid in (1, 2, 3) for _ in range(8)}

    def work(_: int) -> list[uuid.UUID]:
        taken = []
        with engine.connect(database_url, autocommit=True) as own:
            while (one := queue.take(own)) is not None or queue.is_waiting(own):
                if one is not None:
                    taken.append(one.queryid)
                    queue.finish(own, one, 0, 0)
        return taken

    with ThreadPoolExecutor(3) as pool:
        counts = Counter(identifier for taken in pool.map(work, range(3)) for identifier in taken)
    assert counts == dict.fromkeys(submitted, 1)


def test_two_submissions_at_once_keep_to_the_limit(database_url: str, connection: psycopg.Connection[Any]) -> None:
    def ask(_: int) -> int:
        stored = 0
        with engine.connect(database_url, autocommit=True) as own:
            for _ in range(15):
                try:
                    queue.submit(own, 1, ONE, "csv")
                except TooManyQueriesError:
                    continue
                stored += 1
        return stored

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(ask, range(2))) == queue.MOST_UNFINISHED

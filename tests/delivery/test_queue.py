"""The outbox as the sender sees it."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from delivery_peers import states
from queued_messages import add_sink, queue

from broker_assets.database import engine
from broker_assets.delivery.queue import (
    Delivered,
    Outcome,
    Quotas,
    begun,
    claim,
    due_sinks,
    lock,
    moved,
    postpone,
    settle,
    unlock,
    works,
)

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def test_due_are_sinks_with_messages_that_are_not_left_alone(connection: Connection) -> None:
    first, second, third = (add_sink(connection, filterid=number) for number in (1, 2, 3))
    queue(connection, [1], filterid=1)
    queue(connection, [1], filterid=2)
    postpone(connection, second, "out of reach", 60)
    assert [sink.sinkid for sink in due_sinks(connection)] == [first]
    works(connection, {second: None})
    assert connection.execute("SELECT failures FROM filter_sinks WHERE sinkid = %s", (second,)).fetchone() == (0,)
    assert third not in {sink.sinkid for sink in due_sinks(connection)}


def test_a_sink_is_locked_by_one_session_until_it_ends(connection: Connection, database_url: str) -> None:
    sinks = [add_sink(connection, filterid=number) for number in (1, 2)]
    other = engine.connect(database_url, autocommit=True)
    assert lock(other, sinks[:1]) == {sinks[0]}
    assert lock(connection, sinks) == {sinks[1]}
    other.close()
    deadline = time.monotonic() + 30
    while not lock(connection, sinks[:1]):
        assert time.monotonic() < deadline, "the server has not noticed that the session ended"
        time.sleep(0.02)
    unlock(connection, sinks)


def test_messages_are_taken_in_order_and_settled(connection: Connection) -> None:
    sink = add_sink(connection)
    queue(connection, [5, 3, 4, 9])
    (due,) = due_sinks(connection)
    taken = claim(connection, [due], Quotas(), {sink: 3})
    assert [one.diasourceid for one in taken] == [5, 3, 4]
    messages, age = begun(connection, [sink])[sink]
    assert [one.deliveryid for one in messages] == [one.deliveryid for one in taken]
    assert 0 <= age < 60
    outcome = Outcome([Delivered(taken[0], {"status": 200}, 12)], {taken[1].deliveryid: "no"})
    outcome.waiting[taken[2].deliveryid] = "away"
    assert settle(connection, outcome) == []
    moved(connection, {sink: 7})
    assert states(connection) == {"delivered": 1, "dead": 1, "pending": 2}
    rows = connection.execute("SELECT attempts, failure, receipt FROM deliveries ORDER BY deliveryid").fetchall()
    assert rows == [(1, None, {"status": 200}), (1, "no", None), (0, "away", None), (0, None, None)]
    assert connection.execute("SELECT messages, bytes, over_quota FROM delivery_usage").fetchall() == [(1, 12, 0)]
    assert due_sinks(connection)[0].position == 7


def test_the_quota_of_the_settings_holds_where_a_sink_has_none(connection: Connection) -> None:
    sink, own = add_sink(connection), add_sink(connection, filterid=2, messages_per_night=3)
    queue(connection, range(4))
    queue(connection, range(4), filterid=2)
    taken = claim(connection, due_sinks(connection), Quotas(messages=1), {sink: 10, own: 10})
    assert [one.sinkid for one in taken] == [sink, own, own, own]
    assert states(connection) == {"sending": 4, "over_quota": 4}

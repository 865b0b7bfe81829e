"""What waits, what was given up, and what happens to it then."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from queued_messages import add_sink, queue

from broker_assets.delivery.backlog import backlog, by_sink, is_due, refused, retry, shown
from broker_assets.delivery.queue import postpone

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def test_the_backlog_counts_what_is_due_and_since_when(connection: Connection) -> None:
    now = backlog(connection)
    assert (now.waiting, now.due, now.oldest_due, now.dead, now.failing) == (0, 0, 0.0, 0, 0)
    add_sink(connection)
    digest = add_sink(connection, filterid=2, schedule="day")
    connection.execute("UPDATE filter_sinks SET due_at = now() + interval '5 hours' WHERE sinkid = %s", (digest,))
    queue(connection, [1, 2])
    queue(connection, [1, 2, 3], filterid=2)
    assert not is_due(connection, seconds=30)
    connection.execute("UPDATE deliveries SET created_at = now() - interval '2 minutes'")
    connection.execute("UPDATE filter_sinks SET due_at = now() - interval '2 minutes' WHERE schedule = 'now'")
    now = backlog(connection)
    assert (now.waiting, now.due, round(now.oldest_due / 60)) == (5, 2, 2)
    connection.execute("UPDATE filter_sinks SET due_at = now() - interval '1 day' WHERE sinkid = %s", (digest,))
    assert round(backlog(connection).oldest_due / 60) == 2, "nothing waited when the digest was due"
    assert is_due(connection, seconds=30)


def test_a_sink_that_fails_is_still_late(connection: Connection) -> None:
    """The pause between attempts does not hide it."""
    sink = add_sink(connection)
    queue(connection, [1])
    connection.execute("UPDATE deliveries SET created_at = now() - interval '1 hour'")
    postpone(connection, sink, "out of reach", 600)
    now = backlog(connection)
    assert (now.due, round(now.oldest_due), now.failing) == (1, 3600, 1)
    assert not is_due(connection, seconds=1), "nobody can send it now"
    (found,) = by_sink(connection)
    assert (found.waiting, found.failures, found.failure) == (1, 1, "out of reach")


def test_dead_letters_are_listed_retried_and_dismissed(connection: Connection) -> None:
    sink = add_sink(connection)
    queue(connection, [1, 2, 3, 4])
    connection.execute("UPDATE deliveries SET state = 'dead', failure = 'no', attempts = 3 WHERE diasourceid < 4")
    rows = refused(connection)
    assert [(row["trigger"], row["failure"], row["owner"]) for row in rows][:1] == [("alert/0/3", "no", "ann")]
    assert refused(connection, owner="bob") == []
    numbers = [row["deliveryid"] for row in rows]
    assert retry(connection, numbers=numbers[:1]) == 1
    assert retry(connection, sinkid=sink, dismiss=True) == 2
    states = connection.execute("SELECT state, attempts FROM deliveries ORDER BY deliveryid").fetchall()
    assert states == [("dismissed", 3), ("dismissed", 3), ("pending", 0), ("pending", 0)]
    connection.execute("UPDATE deliveries SET state = 'dead', record = '' WHERE state = 'pending'")
    assert retry(connection) == 0, "what was pruned cannot be sent"


def test_a_message_is_shown_with_its_sink(connection: Connection) -> None:
    add_sink(connection)
    queue(connection, [7])
    (number,) = connection.execute("SELECT deliveryid FROM deliveries").fetchone() or (0,)
    found = shown(connection, number)
    assert found is not None
    assert (found["trigger"], found["owner"], found["kind"]) == ("alert/0/7", "ann", "webhook")
    assert shown(connection, number + 1) is None

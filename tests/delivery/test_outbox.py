"""Each match becomes one message for each sink, in order, and never again."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from queued_messages import NIGHT, add_sink, identity, matches, queue

from broker_assets.database import engine
from broker_assets.delivery.outbox import prune, put

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def triggers(connection: Connection, sinkid: int) -> list[str]:
    rows = connection.execute(
        "SELECT trigger FROM deliveries WHERE sinkid = %s ORDER BY deliveryid", (sinkid,)
    ).fetchall()
    return [trigger for (trigger,) in rows]


def test_a_match_becomes_a_message_for_each_active_sink_of_its_filter(connection: Connection) -> None:
    kafka = add_sink(connection, kind="kafka", target="lasair_annbright")
    hook = add_sink(connection)
    other = add_sink(connection, filterid=2, target="https://bob.example/")
    off = add_sink(connection, target="https://off.example/", active=False)
    gone = add_sink(connection, target="https://gone.example/", removed_at=datetime.datetime.now(datetime.UTC))
    assert queue(connection, [31, 12, 27]) == 6
    in_order = ["alert/3/31", "alert/1/12", "alert/2/27"]
    assert triggers(connection, kafka) == triggers(connection, hook) == in_order
    assert triggers(connection, other) == triggers(connection, off) == triggers(connection, gone) == []
    row = connection.execute(
        "SELECT identity, version, diaobjectid, diasourceid, night, record, state, late FROM deliveries"
        " WHERE sinkid = %s AND diasourceid = 12",
        (kafka,),
    ).fetchone()
    assert row == (
        identity(1, kafka, "alert/1/12"), 1, 1, 12, NIGHT, '{"diaObjectId": 1, "gmag": 19.5}', "pending", False,
    )  # fmt: skip


def test_what_was_queued_is_never_queued_again(connection: Connection) -> None:
    sink = add_sink(connection)
    assert queue(connection, [1, 2]) == 2
    assert queue(connection, [1, 2, 3], version=2, ingestid=9) == 1
    connection.execute("UPDATE deliveries SET state = 'delivered', finished_at = now() - interval '400 days'")
    assert prune(connection, content_days=30, days=365) == {"emptied": 0, "removed": 3}
    assert queue(connection, [3, 2, 1], ingestid=10) == 0
    assert triggers(connection, sink) == []


def test_a_batch_that_is_rolled_back_queues_nothing(connection: Connection) -> None:
    add_sink(connection)
    with connection.transaction(force_rollback=True):
        assert put(connection, matches([1]), 1) == 1
    assert queue(connection, [1]) == 1


def test_an_annotation_has_no_source(connection: Connection) -> None:
    add_sink(connection)
    table = matches([77])
    table = table.set_column(2, "trigger", pa.array(["annotation/5"])).set_column(
        4, "diasourceid", pa.array([None], pa.int64())
    )
    assert put(connection, table, 1) == 1
    assert connection.execute("SELECT trigger, diasourceid FROM deliveries").fetchall() == [("annotation/5", None)]


def test_two_rows_of_one_trigger_are_one_message(connection: Connection) -> None:
    add_sink(connection)
    assert queue(connection, [5, 5]) == 1


def test_a_late_retry_sends_only_what_is_not_too_old(connection: Connection) -> None:
    add_sink(connection)
    today = datetime.datetime.now(datetime.UTC).date()
    recent = matches([1], night=today - datetime.timedelta(days=13))
    old = matches([2], night=today - datetime.timedelta(days=40))
    assert put(connection, pa.concat_tables([recent, old]), 1, late=True) == 1
    assert connection.execute("SELECT trigger, late FROM deliveries").fetchall() == [("alert/0/1", True)]


def test_two_batches_with_the_same_matches_do_not_block_each_other(connection: Connection, database_url: str) -> None:
    """They take the identities in one order, so that one waits and neither is rolled back for a deadlock."""
    sink = add_sink(connection)
    connection.commit()
    queued: list[int] = []

    def batch(sources: list[int]) -> None:
        with engine.transaction(database_url) as other:
            queued.append(put(other, matches(sources), 1))

    for start in range(0, 2000, 500):
        numbers = list(range(start, start + 500))
        threads = [threading.Thread(target=batch, args=(order,)) for order in (numbers, numbers[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(queued) == 2000
    assert len(set(triggers(connection, sink))) == len(triggers(connection, sink)) == 2000


def test_content_goes_before_the_message_and_nothing_that_waits_goes(connection: Connection) -> None:
    add_sink(connection)
    queue(connection, [1, 2, 3])
    connection.execute(
        "UPDATE deliveries SET state = 'delivered', finished_at = now() - interval '40 days' WHERE diasourceid < 3"
    )
    assert prune(connection, content_days=30, days=365) == {"emptied": 2, "removed": 0}
    assert prune(connection, content_days=30, days=365) == {"emptied": 0, "removed": 0}
    rows = connection.execute("SELECT record <> '' FROM deliveries ORDER BY deliveryid").fetchall()
    assert rows == [(False,), (False,), (True,)]

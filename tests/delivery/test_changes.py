"""What is new on objects that somebody holds: nothing is missed, and nothing is given twice."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import psycopg
import pytest
from delivery_peers import receiver, sender, settings
from rude_receiver import rude_receiver, says

from broker_assets.database import engine
from broker_assets.delivery.changes import Held, add_feed, changes, newest, read_feed, remove_feed
from broker_assets.delivery.errors import SinkError
from broker_assets.delivery.webhooks import key_of

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]
NIGHT = datetime.date(2025, 11, 20)


def add_batch(connection: Connection, sources: dict[int, int], kind: str = "stream") -> int:
    """A batch with a number of sources for each object."""
    row = connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('t', %s, '1', now())"
        " RETURNING ingestid",
        (kind,),
    ).fetchone()
    assert row is not None
    for number, count in sources.items():
        connection.execute(
            "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey, night, ingestid)"
            " SELECT %s, 61000 + i, %s + i, 1, %s, %s FROM generate_series(1, %s) AS i",
            (number, row[0] * 1000, NIGHT, row[0], count),
        )
    return int(row[0])


def seen(found: Any) -> dict[str, int]:
    return {one["diaObjectId"]: one["newSources"] for one in found.objects}


def test_a_cursor_moves_over_what_is_new(connection: Connection) -> None:
    held = Held(objects=(1, 2))
    add_batch(connection, {1: 1, 3: 1})
    first = changes(connection, held, 0)
    assert seen(first) == {"1": 1}
    assert changes(connection, held, first.cursor).objects == []
    add_batch(connection, {1: 2})
    add_batch(connection, {2: 1, 1: 1})
    add_batch(connection, {1: 5}, "reprocess")
    second = changes(connection, held, first.cursor)
    assert seen(second) == {"1": 3, "2": 1}
    assert second.cursor == newest(connection)


def test_a_night_that_is_reprocessed_before_it_was_read_is_new_once(connection: Connection) -> None:
    """Its rows then belong to the batch of the reprocessing, which brings nothing new itself."""
    held = Held(objects=(1,))
    start = newest(connection)
    arrival = add_batch(connection, {1: 2})
    ((file,),) = connection.execute(
        "INSERT INTO archive_file (ingestid, topic, night, url, packets, bytes, sha256) VALUES (%s, 't', %s, 'a', 1, 1,"
        " '') RETURNING archivefileid",
        (arrival, NIGHT),
    ).fetchall()
    # The second source, and a forced point, came in the history of the first.
    connection.execute("UPDATE diasources SET archivefileid = %s WHERE diasourceid = %s", (file, arrival * 1000 + 1))
    connection.execute("UPDATE diasources SET broughtby = %s", (arrival * 1000 + 1,))
    connection.execute(
        "INSERT INTO diaforcedsources (diaobjectid, midpointmjdtai, diaforcedsourceid, survey, night, ingestid,"
        " broughtby) VALUES (1, 61000, 1, 1, %s, %s, %s)",
        (NIGHT, arrival, arrival * 1000 + 1),
    )
    before = changes(connection, held, start)
    again = add_batch(connection, {}, "reprocess")
    for table in ("diasources", "diaforcedsources"):
        connection.execute(f"UPDATE {table} SET ingestid = %s", (again,))
    after = changes(connection, held, start)
    assert before.objects == after.objects
    assert (after.objects[0]["newSources"], after.objects[0]["newForcedSources"]) == (2, 1)
    for cursor in (arrival, after.cursor):
        assert changes(connection, held, cursor).objects == []


@pytest.mark.parametrize("cursor", [-1, 1 << 40])
def test_a_cursor_of_another_platform_is_refused(connection: Connection, cursor: int) -> None:
    """It would give nothing, in silence, until the batches reach it."""
    with pytest.raises(SinkError, match="not a cursor of this platform"):
        changes(connection, Held(objects=(1,)), cursor)


def test_more_than_fits_comes_with_the_next_answer(connection: Connection) -> None:
    for number in range(1, 6):
        add_batch(connection, {number: 1, number + 10: 1})
    cursor, found = 0, []
    for _ in range(10):
        answer = changes(connection, Held(objects=tuple(range(20))), cursor, limit=4)
        cursor = answer.cursor
        found += list(seen(answer))
        if not answer.more:
            break
    assert sorted(map(int, found)) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


def test_a_batch_that_commits_late_is_not_missed(connection: Connection, database_url: str) -> None:
    """It has a smaller number than one that is committed already."""
    other = engine.connect(database_url)
    add_batch(other, {1: 1})
    add_batch(connection, {2: 1})
    threading.Timer(0.3, other.commit).start()
    assert seen(changes(connection, Held(objects=(1, 2)), 0)) == {"1": 1, "2": 1}
    other.close()


def test_objects_are_those_of_a_filter_or_of_a_watchlist(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO filter_matches (diaobjectid, diasourceid, night, ingestid, filterid, version, rows, row)"
        " VALUES (1, 5, %s, 1, 7, 1, 1, '{}')",
        (NIGHT,),
    )
    add_batch(connection, {1: 1, 2: 1})
    assert seen(changes(connection, Held(filterid=7), 0)) == {"1": 1}
    assert seen(changes(connection, Held(wl_id=9), 0)) == {}
    with pytest.raises(SinkError, match="say which objects"):
        changes(connection, Held(), 0)
    with pytest.raises(SinkError, match="say which objects"):
        changes(connection, Held(filterid=1, wl_id=1), 0)


def test_a_feed_is_sent_and_read(connection: Connection, database_url: str) -> None:
    add_batch(connection, {1: 1})
    with receiver() as hook:
        number = add_feed(connection, settings(), "ann", "mine", Held(objects=(1, 2)), hook.url())
        add_feed(connection, settings(), "ann", "by hand", Held(objects=(2,)))
        for held, named in ((Held(filterid=99), "filter 99"), (Held(wl_id=99), "watchlist 99")):
            with pytest.raises(SinkError, match=f"there is no {named}"):
                add_feed(connection, settings(), "ann", "of nothing", held)
        with pytest.raises(SinkError, match="already has a feed"):
            add_feed(connection, settings(), "ann", "mine", Held(objects=(1,)))
        with sender(database_url, settings()) as started:
            started.send_due()
            assert hook.requests == [], "it begins now"
            add_batch(connection, {2: 3})
            hook.answer = lambda request: 503
            connection.execute("UPDATE change_feeds SET due_at = now()")
            started.send_due()
            hook.answer = lambda request: 200
            connection.execute("UPDATE change_feeds SET due_at = now()")
            started.send_due()
            connection.execute("UPDATE change_feeds SET due_at = now()")
            started.send_due()
            # One that is taken but answered too late, and another source before it is sent again.
            add_batch(connection, {2: 1})
            hook.answer = lambda request: 504
            connection.execute("UPDATE change_feeds SET due_at = now()")
            started.send_due()
            add_batch(connection, {2: 1})
            hook.answer = lambda request: 200
            connection.execute("UPDATE change_feeds SET due_at = now()")
            started.send_due()
        refused, accepted, *late = hook.requests
        assert [one.document["objects"][0]["newSources"] for one in late] == [1, 2]
        assert late[0].headers["webhook-id"] != late[1].headers["webhook-id"], "it is not taken for the same"
        assert refused.headers["webhook-id"] == accepted.headers["webhook-id"]
        assert accepted.is_signed_with(key_of(settings().revealed_webhook_key() or b"", f"feed/{number}"))
        assert [one["diaObjectId"] for one in accepted.document["objects"]] == ["2"]
    assert seen(read_feed(connection, "ann", "by hand")) == {"2": 5}
    assert read_feed(connection, "ann", "by hand").objects == []
    assert remove_feed(connection, "ann", "by hand")
    with pytest.raises(SinkError, match="no feed"):
        read_feed(connection, "ann", "by hand")


def test_a_key_that_cannot_be_read_is_said_at_the_feed(connection: Connection, database_url: str) -> None:
    add_feed(connection, settings(), "ann", "a", Held(objects=(2,)), "http://127.0.0.1:1/")
    with sender(database_url, settings(webhook_key="short")) as started:
        assert started.send_due().failures == 0
    ((failure, waits),) = connection.execute("SELECT failure, due_at > now() FROM change_feeds")
    assert ("has 5 characters" in failure, waits) == (True, True)


def test_no_feed_keeps_another_waiting(connection: Connection, database_url: str) -> None:
    """Neither by a defect that it brings out nor by what its receiver says."""
    nul = b"HTTP/1.1 400 No\r\ncontent-length: 1\r\n\r\n\0"
    with receiver() as hook, rude_receiver(says(nul)) as rude:
        for name, url in (("a", hook.url("/broken")), ("b", rude), ("c", hook.url())):
            add_feed(connection, settings(), "ann", name, Held(objects=(2,)), url)
        # An address that no release has stored brings out what nobody has thought of.
        connection.execute("UPDATE change_feeds SET url = 'http://[broken' WHERE name = 'a'")
        add_batch(connection, {2: 3})
        connection.execute("UPDATE change_feeds SET due_at = now()")
        with sender(database_url, settings()) as started:
            started.send_due()
        assert len(hook.accepted) == 1
    failures = [row[0] for row in connection.execute("SELECT failure FROM change_feeds ORDER BY name")]
    assert failures[0].startswith("a defect of the platform: ValueError")
    assert failures[1].endswith("answers 400: \N{REPLACEMENT CHARACTER}")
    assert failures[2] is None

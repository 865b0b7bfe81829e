"""Numbers of each night under Lasair's names."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.monitoring.lasair_statistics import add, begin_of, nid_of, put, read, refresh

NOW = datetime.datetime(2026, 11, 20, 23, tzinfo=datetime.UTC)


def test_nights_begin_in_the_evening() -> None:
    for nid in (0, 3610, 3611):
        assert nid_of(begin_of(nid)) == nid
        assert nid_of(begin_of(nid) - datetime.timedelta(seconds=1)) == nid - 1


@pytest.mark.database
def test_verbs_and_what_the_ledger_says(database_url: str) -> None:
    with connect(database_url) as connection:
        put(connection, 1, {"a": 1.5, "b": 2})
        add(connection, 1, {"a": 2, "c": 3})
        put(connection, 1, {"b": 7})
        assert read(connection, 1) == {"a": 3.5, "b": 7, "c": 3}
        assert read(connection, 2) == {}
        for hour, received, kind in ((19, 100, "stream"), (21, 10, "stream"), (22, 5, "stream"), (22, 50, "notice")):
            row = connection.execute(
                "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, stored,"
                " duplicate, read_seconds) VALUES ('t', %s, '1', %s, %s, %s, %s, 1, 2) RETURNING ingestid",
                (kind, NOW, NOW.replace(hour=hour), received, received - 1),
            ).fetchone()
            assert row is not None
            connection.execute(
                "INSERT INTO ingest_batch_night (ingestid, night, sources, objects) VALUES (%s, '2026-11-20', %s, 1)",
                (row[0], received * 2),
            )
        found = refresh(connection, NOW)
        assert (found["today_alert"], found["today_filter"], found["today_filter_out"]) == (15, 15, 13)
        assert (found["diaSourceDB"], found["diaObject"], found["ikconsume_0"]) == (30, 2, 4)
        assert (found["countTNS"], found["min_delay"]) == (0, 1)
        assert refresh(connection, NOW) == found, "computed again, not added"
        assert read(connection, nid_of(NOW))["today_alert"] == 15
        assert refresh(connection, NOW - datetime.timedelta(hours=4))["today_alert"] == 100


@pytest.mark.database
def test_a_night_is_completed_by_the_first_refresh_after_it(database_url: str) -> None:
    """A run that goes on past 20:00, or is killed, commits batches that no refresh of their night has seen."""

    def commit(connection: Any, at: datetime.datetime) -> None:
        connection.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, stored, duplicate)"
            " VALUES ('t', 'stream', '1', %s, %s, 10, 10, 0)",
            (at, at),
        )

    evening = datetime.datetime(2026, 11, 20, 19, 58, tzinfo=datetime.UTC)
    with connect(database_url) as connection:
        commit(connection, evening)
        refresh(connection, evening)
        put(connection, 3610, {"countTNS": 7, "set_by_hand": 1})
        commit(connection, evening + datetime.timedelta(minutes=1))
        commit(connection, evening + datetime.timedelta(minutes=3))
        commit(connection, evening + datetime.timedelta(days=1))
        assert refresh(connection, evening + datetime.timedelta(days=2, hours=1))["countTNS"] == 0
        known = {nid: read(connection, nid) for nid in (3610, 3611, 3612, 3613)}
    assert [known[nid].get("today_alert") for nid in known] == [20, 20, None, None]
    assert (known[3610]["countTNS"], known[3610]["set_by_hand"]) == (7, 1)

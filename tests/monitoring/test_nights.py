"""What is known of each night of the stream."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from stored_filters import add_batch

from broker_assets.database import engine
from broker_assets.monitoring import nights
from broker_assets.provenance.versions import Stale

pytestmark = pytest.mark.database
FIRST = datetime.date(2025, 11, 1)
NOW = datetime.datetime(2025, 11, 12, 20, tzinfo=datetime.UTC)


def day(number: int) -> datetime.date:
    return datetime.date(2025, 11, number)


def batch(connection: psycopg.Connection[Any], number: int, stored: int, **columns: Any) -> int:
    made = add_batch(connection, night=day(number), **columns)
    connection.execute("UPDATE ingest_batch_night SET stored = %s WHERE ingestid = %s", (stored, made))
    return made


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Nights 1 to 9 with gaps; 10 and 11 have not come."""
    with engine.connect(module_database_url) as connection:
        batch(connection, 1, 10)
        batch(connection, 1, 10, kind="reprocess")
        batch(connection, 3, 5)  # nothing of the second
        held = batch(connection, 4, 7)
        after = batch(connection, 6, 2)  # nothing of the fifth, and messages were lost before
        batch(connection, 8, 3)
        last = batch(connection, 9, 4)
        connection.execute(
            "INSERT INTO stream_gap (topic, partition, ingestid, first_offset, next_offset, reason)"
            " VALUES ('alerts', 0, %s, 10, 22, 'deleted')",
            (after,),
        )
        for night, state, number in ((4, "open", held), (4, "resolved", held), (9, "resolved", last)):
            connection.execute(
                'INSERT INTO quarantine (topic, "partition", "offset", kafka_timestamp, payload, reason, state,'
                " ingestid) VALUES ('alerts', 0, 0, %s, '', 'x', %s, %s)",
                (datetime.datetime(2025, 11, night + 1, 15, 59, tzinfo=datetime.UTC), state, number),
            )
        connection.execute(
            "INSERT INTO artefact (asset, partition, data_version, code_version) VALUES"
            " ('sources', '2025-11-08', 'a', '1'), ('objects', '2025-11-08', 'b', '1')"
        )
        yield connection


STALE = [Stale(asset="objects", partition="2025-11-08", cause="code", reason="code 1 → 2", depth=0)]


def test_each_night_has_a_state(connection: psycopg.Connection[Any]) -> None:
    found = nights.accounts(
        connection, day(1) - datetime.timedelta(days=400), day(30), now=NOW, stale=nights.stale_of(STALE)
    )
    assert {one.night.day: one.state for one in found} == {
        12: "running", 11: "not received", 10: "not received", 9: "complete", 8: "stale", 7: "not observed",
        6: "lost", 5: "not received", 4: "held", 3: "complete", 2: "not observed", 1: "complete",
    }  # fmt: skip
    assert [one.night for one in found] == sorted((one.night for one in found), reverse=True)
    by_day = {one.night.day: one for one in found}
    assert by_day[1].alerts == 10  # a reprocessing adds none
    assert (by_day[4].quarantined, by_day[4].waiting, by_day[9].quarantined, by_day[9].waiting) == (2, 1, 1, 0)
    assert by_day[6].lost == 12
    assert by_day[8].stale == 1
    assert all(one.glyph and one.meaning for one in found)


def test_only_the_nights_that_are_asked_for(connection: psycopg.Connection[Any]) -> None:
    assert [one.night.day for one in nights.accounts(connection, day(3), day(4), now=NOW)] == [4, 3]
    assert nights.accounts(connection, day(20), day(30), now=NOW) == []


def test_parts_of_a_night(connection: psycopg.Connection[Any]) -> None:
    [topic] = nights.topics(connection, day(1))
    assert (topic.topic, topic.batches, topic.stored) == ("alerts", 1, 10)
    assert nights.archive(connection, day(1)) == (0, 0, 0)
    assert [(one.asset, one.reason) for one in nights.artefacts(connection, day(8), STALE)] == [
        ("objects", "code 1 → 2"), ("sources", ""),
    ]  # fmt: skip


def test_without_alerts_there_are_no_nights(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        assert nights.span(connection) is None
        assert nights.accounts(connection, day(1), day(30), now=NOW) == []

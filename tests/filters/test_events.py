"""Matches as events: each once, none missed, whatever the order in which batches commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.filters.events import BadPlace, Tide, after_batch, identifier_of, matches, read_place

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as opened:
        yield opened


def batch(connection: psycopg.Connection[Any], kind: str = "drain") -> int:
    row = connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('', %s, '1', now())"
        " RETURNING ingestid",
        (kind,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def match(connection: psycopg.Connection[Any], ingestid: int, source: int, filterid: int = 3) -> None:
    connection.execute(
        'INSERT INTO filter_matches (diaobjectid, diasourceid, night, ingestid, filterid, version, rows, "row")'
        " VALUES (%s, %s, '2026-01-02', %s, %s, 1, 1, '{\"a\": 1}')",
        (source * 10, source, ingestid, filterid),
    )
    connection.execute(
        "INSERT INTO filter_runs (ingestid, night, filterid, version, matches, over_limit)"
        " VALUES (%s, '2026-01-02', %s, 1, 1, 0) ON CONFLICT DO NOTHING",
        (ingestid, filterid),
    )


def test_a_batch_that_commits_late_is_not_missed(connection: psycopg.Connection[Any], module_database_url: str) -> None:
    tide = Tide()
    assert tide.look(connection) is None
    start = tide.look(connection)
    assert start is not None
    with connect(module_database_url) as late:
        first = batch(late)
        match(late, first, 1)
        second = batch(connection)
        match(connection, second, 2)
        for _ in range(3):
            upto = tide.look(connection)
            assert upto is not None
            assert upto < first
            assert matches(connection, [3], after_batch(start), upto) == []
        late.commit()
    for _ in range(2):
        upto = tide.look(connection)
    assert upto == second
    found = matches(connection, [3, 4], after_batch(start), upto)
    assert [one.content["diaSourceId"] for one in found] == [1, 2]
    assert found[0].content["selected"] == {"a": 1}
    assert matches(connection, [3], found[0].place, upto, limit=1) == found[1:]
    assert matches(connection, [3], read_place(found[1].identifier), upto) == []
    assert matches(connection, [], after_batch(0), upto) == []
    begin = read_place(identifier_of(after_batch(first - 1)))
    assert matches(connection, [3], begin, upto) == found, "as from the identifier with which a stream begins"
    assert matches(connection, [3], read_place(identifier_of(after_batch(first))), upto) == found[1:]


def test_a_night_that_is_made_again_is_not_new(connection: psycopg.Connection[Any]) -> None:
    again, said = batch(connection, "reprocess"), batch(connection, "annotations")
    match(connection, again, 5, 9)
    connection.execute(
        "INSERT INTO annotation_matches (filterid, diaobjectid, topic, content, annotationid, version, ingestid, night,"
        " \"row\") VALUES (9, 50, 'a', 'x', 77, 1, %s, current_date, '{}'), (9, 51, 'a', 'x', 78, 1, %s, current_date,"
        " NULL)",
        (said, said),
    )
    found = matches(connection, [9], after_batch(again - 1), said)
    assert [(one.content["trigger"], one.content.get("annotationId")) for one in found] == [("annotation", 77)]


@pytest.mark.parametrize(
    "text", ["", "1-2-3", "a-b-c-d", "1-2-3-4-5", "9" * 30 + "-1-1-1", "1-99999999999999999999-1-1"]
)
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(BadPlace):
        read_place(text)

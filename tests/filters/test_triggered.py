"""Annotations trigger the filters that ask for their annotator, once for each content."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from stored_filters import add_annotator, add_batch, add_object, enabled

from broker_assets.database import engine
from broker_assets.filters import triggered
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, save_filter

pytestmark = pytest.mark.database
FORM = Form("objects.diaObjectId, fink.classification", "objects, annotator:fink", "fink.classification = 'SN'")


class Outbox:
    """Notes what is to be delivered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def __call__(self, connection: Any, matches: pa.Table, ingestid: int, *, late: bool = False) -> int:
        self.messages += matches.to_pylist()
        return len(matches)


def annotate(
    connection: psycopg.Connection[Any], outbox: Outbox, *said: tuple[int, str], topic: str = "fink", **options: Any
) -> int:
    """Apply annotations as `annotations` does, and run the filters."""
    batch = add_batch(connection, "annotation")
    applied = []
    for number, (diaobjectid, classification) in enumerate(said):
        identifier = batch * 100 + number
        connection.execute(
            "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, content, revision, ingestid)"
            " VALUES (%s, %s, %s, %s, %s, 1, %s) ON CONFLICT (diaobjectid, topic) DO UPDATE SET"
            " annotationid = excluded.annotationid, classification = excluded.classification,"
            " content = excluded.content",
            (identifier, diaobjectid, topic, classification, classification, batch),
        )
        applied.append(
            {"annotationid": identifier, "diaobjectid": diaobjectid, "topic": topic, "content": classification}
        )
    table = pa.Table.from_pylist(
        applied,
        schema=pa.schema(
            [
                *(("annotationid", pa.int64()), ("diaobjectid", pa.int64())),
                *(("topic", pa.string()), ("content", pa.string())),
            ]
        ),
    )
    return triggered.run(connection, batch, table, deliver=outbox, **options)


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url) as found:
        for number in (1, 2, 3):
            add_object(found, number)
        add_annotator(found, "fink")
        add_annotator(found, "finkkn")
        yield found


def test_only_filters_of_the_annotator_run_over_its_objects(connection: psycopg.Connection[Any]) -> None:
    outbox = Outbox()
    number = enabled(connection, FORM, "asks")
    enabled(connection, "SELECT diaObjectId FROM objects", "does not ask")
    enabled(connection, Form("objects.diaObjectId", "objects, annotator:finkkn"), "asks another")
    quiet = enabled(connection, FORM, "quiet")
    change_filter(connection, "ann", quiet, FilterChanges(on_annotations=False))
    assert annotate(connection, outbox, (1, "SN"), (2, "AGN"), (3, "SN")) == 2
    found = [(item["filterid"], item["diaobjectid"], json.loads(item["row"])) for item in outbox.messages]
    assert found == [(number, n, {"diaObjectId": n, "classification": "SN"}) for n in (1, 3)]
    assert all(item["trigger"].startswith("annotation/") and item["diasourceid"] is None for item in outbox.messages)
    ran = connection.execute('SELECT diaobjectid, "row" IS NOT NULL FROM annotation_matches ORDER BY 1').fetchall()
    assert ran == [(1, True), (2, False), (3, True)]
    assert connection.execute("SELECT filterid, matches FROM filter_runs").fetchall() == [(number, 2)]


def test_a_loop_between_a_filter_and_an_annotator_ends(connection: psycopg.Connection[Any]) -> None:
    """The annotator answers everything that the filter sends; it says one of two things."""
    outbox, number = Outbox(), enabled(connection, FORM)
    said, rounds = ["SN"], 0
    while said:
        rounds += 1
        assert rounds < 10
        before = len(outbox.messages)
        annotate(connection, outbox, (1, said.pop()))
        if len(outbox.messages) > before:
            said.append("SN")  # again the same: the filter has run for it
    assert (rounds, len(outbox.messages)) == (2, 1)
    # Another version does not run for it either; another content does.
    save_filter(connection, "ann", number, Form("objects.diaObjectId", "objects, annotator:fink"))
    assert annotate(connection, outbox, (1, "SN")) == 0
    assert annotate(connection, outbox, (1, "SN II")) == 1


def test_a_filter_that_fails_is_accounted_for_and_the_others_run(
    connection: psycopg.Connection[Any], database_url: str
) -> None:
    """One waits for a table that is locked, and one needs a function that the database has lost."""
    waits = Form("objects.diaObjectId, crossmatch_tns.tns_name",
                 "objects, crossmatch_tns, annotator:fink")  # fmt: skip
    lacks = Form("objects.diaObjectId, sqrt(objects.ra) AS x", "objects, annotator:fink")
    slow, broken, good = (
        enabled(connection, form, name) for form, name in ((waits, "slow"), (lacks, "broken"), (FORM, "good"))
    )
    connection.execute("DROP FUNCTION filter_sqrt")
    connection.commit()
    with engine.connect(database_url) as other:
        other.execute("LOCK TABLE crossmatch_tns IN ACCESS EXCLUSIVE MODE")
        assert annotate(connection, Outbox(), (1, "SN"), seconds=0.2) == 1
    rows = connection.execute("SELECT filterid, matches, problem FROM filter_runs ORDER BY 1").fetchall()
    assert rows == [(slow, 0, "time"), (broken, 0, "error"), (good, 1, None)]


def test_objects_beyond_the_limit_are_counted(connection: psycopg.Connection[Any]) -> None:
    outbox, _ = Outbox(), enabled(connection, FORM)
    assert annotate(connection, outbox, (1, "SN"), (2, "SN"), (3, "SN"), objects=2) == 2
    assert connection.execute("SELECT matches, over_limit FROM filter_runs").fetchall() == [(2, 1)]
    assert annotate(connection, outbox, topic="fink") == 0

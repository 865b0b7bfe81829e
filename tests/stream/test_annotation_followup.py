"""What follows annotations: functions, held ones, and the filters that ask for them."""

from __future__ import annotations

import json
import threading
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from broker_assets.accounting import balance, quarantine
from broker_assets.annotations.annotators import add_annotator, get
from broker_assets.annotations.content import InactiveAnnotator, NotTheOwner, UnknownAnnotator, UnknownObject
from broker_assets.database import engine
from broker_assets.provenance.revisions import begin_batch
from broker_assets.settings import AnnotationSettings
from broker_assets.stream import annotation_followup
from broker_assets.stream.annotation_followup import FUNCTION_STREAM, annotate, run_filters, settle
from broker_assets.stream.annotation_messages import annotation_streams
from broker_assets.stream.annotations import read_annotations

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]
SETTINGS = AnnotationSettings()


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 9) AS n")
        add_annotator(opened, "fastfinder", "anna")
        add_annotator(opened, "asleep", "anna", active=False)
        yield opened


def said(number: int, classification: str = "SN", topic: str = "fastfinder") -> dict[str, Any]:
    return {"topic": topic, "objectId": number, "classification": classification}


def test_a_function_writes_until_the_first_that_is_refused(connection: Connection) -> None:
    written = annotate(connection, "anna", [said(1), said(1), said(2)])
    assert (written.outcomes, written.refusal) == (["stored", "known", "stored"], None)
    for bad, kind in (
        (said(3, topic="nobody"), UnknownAnnotator),
        (said(3, topic="asleep"), InactiveAnnotator),
        (said(77), UnknownObject),
    ):
        written = annotate(connection, "anna", [said(1, "AGN"), said(4), bad, said(5)])
        assert isinstance(written.refusal, kind)
        assert len(written.outcomes) == 2
    assert isinstance(annotate(connection, "otto", [said(3)]).refusal, NotTheOwner)
    assert "topic is missing" in str(annotate(connection, "anna", [{"objectId": 1}]).refusal)
    assert connection.execute("SELECT diaobjectid, classification FROM annotations ORDER BY 1").fetchall() == [
        (1, "AGN"), (2, "SN"), (4, "SN"),
    ]  # fmt: skip
    assert connection.execute("SELECT DISTINCT topic, kind FROM ingest_batch").fetchall() == [
        (FUNCTION_STREAM, "annotation")
    ]
    assert balance.batches(connection) == []


def test_held_messages_are_released_or_given_up(connection: Connection, database_url: str, packets: Any) -> None:
    stream = annotation_streams(get(connection, "fastfinder"))[0]
    both = json.dumps([said(70), said(71)]).encode()
    source = packets.ListSource.of([both, json.dumps(said(72)).encode()])
    assert read_annotations(source, database_url, stream, SETTINGS, idle_seconds=0.05).waiting == 2
    assert settle(connection, SETTINGS) == (0, 0)
    connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (72, 1)")
    assert settle(connection, SETTINGS) == (1, 0)
    assert connection.execute("SELECT diaobjectid FROM annotations").fetchall() == [(72,)]
    connection.execute("UPDATE annotation_waiting SET timestamp = timestamp - interval '25 hours'")
    assert settle(connection, SETTINGS) == (0, 1)
    [entry] = quarantine.entries(connection, topic=stream.name)
    assert (entry.payload, entry.offset) == (both, 0)
    assert "within 24 h" in entry.reason
    assert connection.execute("SELECT count(*) FROM annotation_waiting").fetchone() == (0,)
    assert balance.batches(connection) == []
    assert balance.offsets(connection) == []


def test_filters_get_each_new_annotation_once_and_see_it(connection: Connection) -> None:
    seen: list[tuple[int, int]] = []

    def triggered(inside: Connection, ingestid: int, rows: pa.Table) -> int:
        assert rows.column_names == ["annotationid", "diaobjectid", "topic", "content"]
        ids = rows["diaobjectid"].to_pylist()
        found = inside.execute("SELECT count(*) FROM annotations WHERE diaobjectid = ANY(%s)", (ids,)).fetchone()
        assert found == (len(ids),)
        seen.extend((ingestid, number) for number in ids)
        return len(ids)

    first = annotate(connection, None, [said(1), said(2)])
    second = annotate(connection, None, [said(3), said(1)])

    def failing(inside: Connection, ingestid: int, rows: pa.Table) -> int:
        raise RuntimeError("a filter runner that fails")

    with pytest.raises(RuntimeError):
        run_filters(connection, failing)
    assert run_filters(connection, triggered) == 3  # nothing was lost
    assert seen == [(first.ingestid, 1), (first.ingestid, 2), (second.ingestid, 3)]
    assert run_filters(connection, triggered) == 0
    annotate(connection, None, [said(1, "AGN")])
    assert run_filters(connection, None) == 0
    assert connection.execute("SELECT count(*) FROM annotation_due").fetchone() == (0,)


def test_filters_wait_for_batches_of_alerts_under_way(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotate(connection, None, [said(1)])
    sees: list[Any] = []

    def triggered(inside: Connection, ingestid: int, rows: pa.Table) -> int:
        sees.append(inside.execute("SELECT ra FROM objects WHERE diaobjectid = 1").fetchone())
        return 1

    with engine.connect(database_url) as batch:
        begin_batch(batch)
        batch.execute("UPDATE objects SET ra = 12 WHERE diaobjectid = 1")
        with monkeypatch.context() as patched:
            patched.setattr(annotation_followup, "WAIT_SECONDS", 0.1)
            assert run_filters(connection, triggered) == 0  # left to the next run
        thread = threading.Thread(target=run_filters, args=(connection, triggered))
        thread.start()
        batch.commit()
        thread.join(30)
    assert sees == [(12.0,)]

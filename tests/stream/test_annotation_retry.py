"""Quarantined annotations are applied after a fix, and do not replace what came after them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from failing_writes import REFUSE, failing_writes

from broker_assets.accounting import balance, quarantine
from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, get
from broker_assets.database import engine
from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import annotation_streams
from broker_assets.stream.annotation_retry import retry_annotations
from broker_assets.stream.annotations import read_annotations

pytestmark = pytest.mark.database
SETTINGS = AnnotationSettings()


def test_after_a_fix_what_was_refused_is_applied_in_its_place(database_url: str, packets: Any) -> None:
    with engine.connect(database_url) as connection, connection.transaction():
        connection.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 9) AS n")
        add_annotator(connection, "fastfinder", "anna", schema='{"required": ["p"]}')
        stream = annotation_streams(get(connection, "fastfinder"))[0]
    bare = [{"objectId": n, "classification": "old"} for n in (1, 2)]
    newer = {"objectId": 1, "classification": "new", "classdict": {"p": 1}}
    mixed = [newer | {"objectId": 3}, {"objectId": 4, "classification": "old"}]
    hopeless = {"objectId": 5, "classification": ""}
    source = packets.ListSource.of([json.dumps(one).encode() for one in (*bare, mixed, hopeless, newer)])
    done = read_annotations(source, database_url, stream, SETTINGS, idle_seconds=0.05)
    assert (done.stored, done.quarantined) == (1, 4)
    source.append(0, json.dumps(newer | {"objectId": 3, "classification": "newest"}).encode())
    read_annotations(source, database_url, stream, SETTINGS, idle_seconds=0.05)
    with engine.connect(database_url) as connection:
        change_annotator(connection, "fastfinder", AnnotatorChange(schema=""))
        connection.commit()
        [first, *_] = quarantine.entries(connection, topic=stream.name)
    only = [first.quarantineid]
    with failing_writes(database_url, "annotation_history", REFUSE):
        [reason] = retry_annotations(database_url, stream, SETTINGS, quarantineids=only).reasons
    assert reason.startswith("division by zero")
    one = retry_annotations(database_url, stream, SETTINGS, quarantineids=only)
    assert (one.retried, one.stored, one.failed) == (1, 1, 0)
    report = retry_annotations(database_url, stream, SETTINGS)
    assert (report.retried, report.stored, report.failed) == (3, 2, 1)
    assert list(report.reasons) == ["classification is missing or blank"]
    with engine.connect(database_url) as connection:
        now = dict(connection.execute("SELECT diaobjectid, classification FROM annotations").fetchall())
        history = connection.execute("SELECT diaobjectid, count(*) FROM annotation_history GROUP BY 1").fetchall()
        states = quarantine.counts(connection)
        contradictions = balance.batches(connection)
    assert now == {1: "new", 2: "old", 3: "newest", 4: "old"}
    assert dict(history) == {1: 2, 2: 1, 3: 2, 4: 1}  # the part of `mixed` that was applied is not there twice
    assert states == {(stream.name, "resolved"): 3, (stream.name, "retried"): 1}
    assert contradictions == []

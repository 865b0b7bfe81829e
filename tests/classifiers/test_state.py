"""What is deleted with time; writing is tested in `stream/test_class_scores.py`."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.classifiers.state import failures_of, prune

pytestmark = pytest.mark.database


def add(connection: psycopg.Connection[Any], ingestid: int, night: str, *, replaced: int | None = None) -> None:
    """A batch that scored one alert and failed on four."""
    connection.execute(
        "INSERT INTO ingest_batch (ingestid, topic, kind, code_version, started_at) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, 'alerts', 'stream', '1', now())",
        (ingestid,),
    )
    connection.execute(
        "INSERT INTO class_scores (diaobjectid, diasourceid, night, ingestid, classifier, version, class, score)"
        " VALUES (1, %s, %s, %s, 'tiny', '1', 'bright', 0.5)",
        (ingestid, night, ingestid),
    )
    connection.execute(
        "INSERT INTO classifier_failures (ingestid, night, classifier, version, reason, alerts)"
        " VALUES (%s, %s, 'tiny', '1', 'of no reason', 4)",
        (ingestid, night),
    )
    connection.execute(
        "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, inputs, rows, checksum,"
        " replaced_by) VALUES (%s, %s, 'class_scores', 'classifiers', '1', '{}', 1, 1, %s)",
        (ingestid, night, replaced),
    )
    for name in ("tiny", "gone"):
        connection.execute(
            "INSERT INTO object_classes (diaobjectid, classifier, class, version, score, diasourceid, night, ingestid)"
            " VALUES (%s, %s, 'bright', '1', 0.5, 1, %s, %s)",
            (ingestid, name, night, ingestid),
        )


def test_failures_are_those_of_batches_in_force(connection: psycopg.Connection[Any]) -> None:
    add(connection, 1, "2026-01-01", replaced=3)
    add(connection, 2, "2026-01-01")
    add(connection, 3, "2026-01-01")
    assert failures_of(connection, "2026-01-01") == [("tiny", "1", "of no reason", 8)]
    assert failures_of(connection, "2026-01-02") == []


def test_old_scores_and_those_of_removed_classifiers_go(connection: psycopg.Connection[Any]) -> None:
    add(connection, 1, "2026-01-01")
    add(connection, 2, "2026-01-02")
    assert prune(connection, before="2026-01-02", present=["tiny"]) == {
        "class_scores": 1, "classifier_failures": 1, "object_classes": 2
    }  # fmt: skip
    for table in ("class_scores", "classifier_failures", "ingest_batch_facts"):
        assert connection.execute(f"SELECT ingestid FROM {table}").fetchall() == [(2,)]
    assert connection.execute("SELECT DISTINCT classifier FROM object_classes").fetchall() == [("tiny",)]

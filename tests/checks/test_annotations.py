"""Checks of annotations: silence, filters that did not run, history and state."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from dagster import AssetCheckSeverity
from queued_messages import add_sink
from stored_filters import enabled

from broker_assets.annotations.annotators import add_annotator
from broker_assets.checks.annotations import filters_ran, history_agrees, silent
from broker_assets.database import engine
from broker_assets.filters.query import Form
from broker_assets.settings.filters import FilterSettings
from broker_assets.stream.annotation_filters import filters_of_annotations
from broker_assets.stream.annotation_followup import annotate, run_filters

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO objects (diaobjectid, survey) VALUES (1, 1)")
        for topic in ("heard", "said", "quiet", "asleep", "new"):
            add_annotator(opened, topic, "anna", active=topic != "asleep")
        opened.execute("UPDATE annotators SET date_modified = now() - interval '30 days' WHERE topic <> 'new'")
        yield opened


def test_silent_annotators_are_named(connection: psycopg.Connection[Any]) -> None:
    annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "SN"}])
    connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, duplicate)"
        " VALUES ('annotator.heard.anno_heard', 'annotation', '1', now(), now(), 1, 1)"
    )
    verdict = silent(connection, 7.0)
    assert not verdict.passed
    assert verdict.description == "nothing has come for 7 days from quiet of anna"
    connection.execute("UPDATE annotators SET active = false WHERE topic = 'quiet'")
    assert silent(connection, 7.0).passed
    connection.execute("UPDATE annotations SET timestamp = now() - interval '8 days'")
    connection.execute("UPDATE ingest_batch SET finished_at = now() - interval '8 days'")
    assert "heard of anna, said of anna" in silent(connection, 7.0).description


def test_filters_that_did_not_run_are_reported(connection: psycopg.Connection[Any]) -> None:
    assert filters_ran(connection, 60.0).passed
    annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "SN"}])
    assert filters_ran(connection, 60.0).passed  # not for long
    connection.execute("UPDATE ingest_batch SET finished_at = now() - interval '1 hour'")
    assert "filters of 1 annotations have not run" in filters_ran(connection, 60.0).description


def test_filters_that_ran_late_are_reported(connection: psycopg.Connection[Any]) -> None:
    number = enabled(connection, Form("objects.diaObjectId", "objects, annotator:said", ""), owner="anna")
    add_sink(connection, filterid=number)
    annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "SN"}])
    assert run_filters(connection, filters_of_annotations(FilterSettings())) == 1
    verdict = filters_ran(connection, 60.0)
    assert verdict.passed
    assert verdict.metadata["messages"] == 1
    assert 0 <= verdict.metadata["median (s)"] < 60
    connection.execute("UPDATE ingest_batch SET latency_max = 130")
    verdict = filters_ran(connection, 60.0)
    assert not verdict.passed
    assert verdict.severity == AssetCheckSeverity.WARN
    assert "1 later than the 60 s that are promised" in verdict.description


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM annotations",
        "UPDATE annotations SET content = 'other'",
        "UPDATE annotation_history SET revision_to = 5",
    ],
)
def test_a_history_that_disagrees_is_reported(connection: psycopg.Connection[Any], damage: str) -> None:
    annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "SN"}])
    assert history_agrees(connection).passed
    connection.execute(damage.encode())
    assert not history_agrees(connection).passed

"""When annotations are read; `jobs/test_annotations` has what waits and what does not."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, SkipReason, build_sensor_context
from listed_topics import ListedTopics

from broker_assets.jobs.annotations import build_read_annotations
from broker_assets.resources.database import Database
from broker_assets.sensors.annotations import build_annotations_sensor
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_without_annotators_nothing_is_asked(database_url: str) -> None:
    settings = Settings()
    sensor = build_annotations_sensor(settings, build_read_annotations(settings))
    with DagsterInstance.ephemeral() as instance:
        resources = {"database": Database(database_url), "kafka": ListedTopics()}
        skipped = sensor(build_sensor_context(instance=instance, resources=resources))
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "nothing waits on 0 topics of annotators"


def test_a_database_that_is_away_is_a_reason_to_skip() -> None:
    settings = Settings()
    sensor = build_annotations_sensor(settings, build_read_annotations(settings))
    with DagsterInstance.ephemeral() as instance:
        resources = {"database": Database("postgresql+psycopg://nobody@127.0.0.1:1/none"), "kafka": ListedTopics()}
        skipped = sensor(build_sensor_context(instance=instance, resources=resources))
    assert isinstance(skipped, SkipReason)
    assert "cannot be read" in str(skipped.skip_message)

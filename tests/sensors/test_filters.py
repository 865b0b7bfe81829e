"""Filters are observed when they change, paused when they fail, and expire."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from dagster import DagsterInstance, build_sensor_context
from stored_filters import add_batch, add_run, enabled

from broker_assets.build import build_defs
from broker_assets.database import engine
from broker_assets.filters.registry import get_filter
from broker_assets.filters.store import FilterChanges, change_filter, save_filter
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def tick(made: Any, instance: DagsterInstance, url: str) -> str:
    with build_sensor_context(
        instance=instance, resources={"database": Database(url)}, repository_def=made.get_repository_def()
    ) as context:
        return str(made.get_sensor_def("filters")(context).skip_message)


def recorded(url: str) -> dict[str, str]:
    with Database(url).transaction() as connection:
        return dict(versions.data_versions(connection, "filters"))


def test_filters_are_followed(database_url: str) -> None:
    made = build_defs(settings=Settings())
    with DagsterInstance.ephemeral() as instance, engine.connect(database_url, autocommit=True) as connection:
        assert tick(made, instance, database_url) == "nothing has changed"
        number = enabled(connection, "SELECT diaObjectId FROM objects")
        failing = enabled(connection, "SELECT diaObjectId FROM objects", "failing")
        assert tick(made, instance, database_url).endswith("2 new, changed or gone")
        assert tick(made, instance, database_url) == "nothing has changed"
        save_filter(connection, "ann", number, "SELECT diaObjectId, ra FROM objects")
        for _ in range(3):
            add_run(connection, add_batch(connection), failing, problem="time")
        assert tick(made, instance, database_url) == "1 paused, 0 expired, 2 new, changed or gone"
        assert recorded(database_url) == {str(number): "version 2"}
        assert instance.get_dynamic_partitions("filters") == [str(number)]
        assert get_filter(connection, failing).paused
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        change_filter(connection, "ann", number, FilterChanges(expire=past))
        again = build_defs(settings=Settings())  # expiries are looked at when it starts, and each hour
        assert tick(again, instance, database_url) == "0 paused, 1 expired, 1 new, changed or gone"
        assert recorded(database_url) == {}

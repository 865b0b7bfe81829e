"""Partitions of an observed asset follow what there is."""

from __future__ import annotations

import logging

import pytest
from dagster import DagsterInstance, DynamicPartitionsDefinition

from broker_assets.assets.reporter import Entry
from broker_assets.database import engine
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors.observed_partitions import follow_partitions

pytestmark = pytest.mark.database

LOG = logging.getLogger("test")
THINGS = DynamicPartitionsDefinition(name="things")


def test_partitions_and_provenance_follow_what_there_is(database_url: str) -> None:
    database = Database(database_url)
    asked: list[str] = []

    def follow(present: dict[str, str], most: int | None = None) -> int:
        def entry(key: str) -> Entry:
            asked.append(key)
            return Entry(versions.Artefact(asset="thing", partition=key, data_version=present[key]))

        asked.clear()
        return follow_partitions(instance, database, LOG, "thing", THINGS, present, entry, children=["part"], most=most)

    def known() -> tuple[set[str], dict[str, str], dict[str, str]]:
        with engine.connect(database_url) as connection:
            recorded = [dict(versions.data_versions(connection, asset)) for asset in ("thing", "part")]
        return set(instance.get_dynamic_partitions("things")), recorded[0], recorded[1]

    with DagsterInstance.ephemeral() as instance:
        three = {"a": "1", "b": "1", "c": "1"}
        assert [follow(three, most=2), follow(three, most=0), follow(three, most=-5), follow(three)] == [2, 0, 0, 1]
        assert known() == ({"a", "b", "c"}, three, {})
        assert follow(three) == 0
        assert asked == [], "only what is reported is looked at"

        with database.transaction() as connection:
            parts = [versions.Artefact(asset="part", partition=key, data_version="p") for key in "bc"]
            versions.record(connection, parts)
        assert follow({"a": "2", "b": "1"}) == 2, "one changed, one gone"
        assert asked == ["a"]
        assert known() == ({"a", "b"}, {"a": "2", "b": "1"}, {"b": "p"})

    with DagsterInstance.ephemeral() as instance:
        assert follow({"a": "2", "b": "1"}) == 2, "an empty database of Dagster is filled"
        assert follow({"a": "2", "b": "1"}) == 0

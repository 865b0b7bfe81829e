"""Root objects as assets: their version changes with what belongs together, and only then."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import DagsterInstance, materialize

from broker_assets.assets.tom.roots import REASSIGNED, ROOTS, build_root_assets
from broker_assets.database import engine, partitions
from broker_assets.database.tables import diasources
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_versions_follow_objects_and_sources(database_url: str) -> None:
    instance = DagsterInstance.ephemeral()
    settings = Settings()
    resources = {"database": Database(database_url), "kafka": Kafka.of(settings)}
    assets = {one.key.to_user_string(): one for one in build_root_assets()}
    night = nights.get_partition_keys()[-2]

    def run(name: str) -> tuple[str, dict[str, Any]]:
        result = materialize(
            [assets[name]], resources=resources, instance=instance, partition_key=night if name == REASSIGNED else None
        )
        made = [
            one.step_materialization_data.materialization for one in result.all_events if one.is_step_materialization
        ]
        return (made[0].tags or {})["dagster/data_version"], {
            name: value.value for name, value in made[0].metadata.items()
        }

    empty = run(ROOTS)
    with engine.connect(database_url, autocommit=True) as connection:
        partitions.ensure(connection, [61000.0], tables=(diasources,))
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 5, 5), (2, 1, 5, 5)")
        connection.execute(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, night, broughtby,"
            " broughtbymjdtai) VALUES (11, 1, 61000, 1, NULL, 11, 61000), (11, 2, 61000, 1, %s, 12, 61001)",
            (night,),
        )
    first = run(ROOTS)
    assert first[0] != empty[0]
    assert (first[1]["new objects"], first[1]["new root objects"], first[1]["dagster/row_count"]) == (2, 1, 1)
    again = run(ROOTS)
    assert (again[0], again[1]["new objects"]) == (first[0], 0)
    moved = run(REASSIGNED)
    assert (moved[1]["dagster/row_count"], moved[1]["changed"]) == (1, 1)
    again = run(REASSIGNED)
    assert (again[0], again[1]["changed"]) == (moved[0], 0)

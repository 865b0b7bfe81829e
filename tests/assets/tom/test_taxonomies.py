"""Another version of a taxonomy makes what was made from it stale, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, build_sensor_context

from broker_assets.assets.tom.comparison import CONTRADICTIONS, FIRST_VIEWS, SCORECARDS
from broker_assets.assets.tom.survey import ROLLUPS
from broker_assets.assets.tom.taxonomies import FIRST_TAXONOMY, SECOND_TAXONOMY
from broker_assets.build import tom
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.sensors.fact_inputs import build_fact_inputs
from broker_assets.settings import Settings
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.tom.taxonomy.hierarchy import Taxonomy, read_taxonomy
from broker_assets.tom.taxonomy.stored import store_version

pytestmark = pytest.mark.database


def test_a_change_makes_metrics_and_roll_ups_stale(database_url: str) -> None:
    instance = DagsterInstance.ephemeral()
    settings, database = Settings(), Database(database_url)
    resources = {"database": database, "kafka": Kafka.of(settings)}
    definitions = Definitions.merge(tom.definitions(settings), Definitions(resources=resources))
    job = definitions.resolve_job_def("compare_brokers")
    parents = {name: {key.to_user_string() for key in definitions.resolve_asset_graph().get(AssetKey(name)).parent_keys}
               for name in (SCORECARDS, CONTRADICTIONS, ROLLUPS, FIRST_VIEWS)}  # fmt: skip
    assert all(SECOND_TAXONOMY in parents[name] for name in (SCORECARDS, CONTRADICTIONS, ROLLUPS))
    assert parents[FIRST_VIEWS] == {FIRST_TAXONOMY}

    def tick() -> set[str]:
        """What the sensor reports."""
        sensor = build_fact_inputs(EnrichmentPlan([]))
        result: Any = sensor(build_sensor_context(instance=instance, resources={"database": database}))
        return {event.asset_key.to_user_string() for event in getattr(result, "asset_events", ())}

    def run() -> dict[str, Any]:
        result = job.execute_in_process(instance=instance)
        made = [
            one.step_materialization_data.materialization for one in result.all_events if one.is_step_materialization
        ]
        return {one.asset_key.to_user_string(): (one.tags or {})["dagster/data_version"] for one in made}

    def stale() -> set[str]:
        with database.transaction() as connection:
            return {one.asset for one in versions.stale(connection)}

    assert tick() == {FIRST_TAXONOMY, SECOND_TAXONOMY}
    assert tick() == set()
    first = run()
    taxonomy = read_taxonomy("elasticc2")
    # A roll-up of a night, as `survey_night` records it.
    with database.transaction() as connection:
        known = versions.Input(asset=SECOND_TAXONOMY, partition="", data_version=taxonomy.digest)
        rolled = versions.Artefact(asset=ROLLUPS, partition="2024-01-01", data_version="x", inputs=(known,))
        versions.record(connection, [rolled])
    assert stale() == set()
    models: dict[int, list[int]] = {}
    for classid, gentype in taxonomy.exact():
        models.setdefault(classid, []).extend([] if gentype is None else [gentype])
    models[2222].append(71)  # a lensed Ia
    changed = [{**row, "gentypes": models[row["classid"]]} for row in taxonomy.classes()]
    with database.transaction() as connection:
        store_version(connection, Taxonomy.of("elasticc2", changed))
    assert tick() == {SECOND_TAXONOMY}
    assert stale() == {SCORECARDS, CONTRADICTIONS, ROLLUPS}
    again = run()
    assert stale() == {ROLLUPS}
    assert again[SCORECARDS] != first[SCORECARDS]
    assert again[FIRST_VIEWS] == first[FIRST_VIEWS]

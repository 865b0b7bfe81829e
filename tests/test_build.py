"""Contents of the code location: a change of any asset, check, job, sensor or schedule shows in a diff.

After an intended change: ``BROKER_UPDATE_SNAPSHOTS=1 pytest tests/test_build.py``, then read the diff.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AutomationConditionSensorDefinition, Definitions, SensorDefinition

from broker_assets.assets.labels import LOCATION, OWNERS, WRITTEN_BY
from broker_assets.build import build_defs, code_versions, subjects
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.resources.database import Database
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry.archive.days import FAMILIES

SNAPSHOT = Path(__file__).parent / "snapshots" / "definitions.txt"


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return build_defs(settings=Settings())


@pytest.fixture(scope="module")
def watching() -> Definitions:
    """With a folder of telemetry, without which nothing receives it."""
    telemetry = TelemetrySettings(
        incoming=["/data/incoming"], databases=Path("/data/databases"), configuration=Path("/data/configuration")
    )
    return build_defs(settings=Settings(telemetry=telemetry))


def describe(definitions: Definitions) -> Iterator[str]:
    """One paragraph per definition, readable."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        yield f"asset {key.to_user_string()}"
        yield f"    {'made here' if node.is_materializable else 'external'}, group {node.group_name}"
        yield f"    from: {', '.join(parent.to_user_string() for parent in sorted(node.parent_keys)) or 'nothing'}"
        if node.partitions_def is not None:
            yield f"    partitions: {type(node.partitions_def).__name__}"
        if node.code_version is not None:
            yield "    has a code version"
        if node.automation_condition is not None:
            yield f"    automation: {node.automation_condition.get_label()}"
        if node.freshness_policy is not None:
            yield f"    freshness: {type(node.freshness_policy).__name__}"
        yield f"    kinds: {', '.join(sorted(node.kinds or [])) or 'none'}; owners: {', '.join(node.owners) or 'none'}"
        said = {name: value for name, value in node.tags.items() if not name.startswith("dagster/")}
        yield f"    tags: {', '.join(f'{name} {value}' for name, value in sorted(said.items()))}"
    for check_key in sorted(graph.asset_check_keys, key=lambda key: (key.asset_key, key.name)):
        check = graph.get(check_key)
        blocking = "blocking" if check.blocking else "not blocking"
        by = "by night" if check.partitions_def is not None else "as a whole"
        yield f"check {check_key.asset_key.to_user_string()}/{check_key.name}: {blocking}, {by}"
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            ops = ", ".join(sorted(node.name for node in job.nodes))
            yield f"job {job.name}: {ops}; {job.executor_def.name}; tags {sorted(job.tags)}"
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        yield f"sensor {sensor.name}: every {sensor.minimum_interval_seconds} s, {sensor.default_status.value}"
        if isinstance(sensor, AutomationConditionSensorDefinition):
            yield f"    run tags: {dict(sensor.run_tags)}"
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        yield (
            f"schedule {schedule.name}: {schedule.cron_schedule} {schedule.execution_timezone}, "
            f"job {schedule.job_name}, {schedule.default_status.value}"
        )
    for name in sorted(repository.get_top_level_resources()):
        yield f"resource {name}"


def test_definitions_are_those_of_the_snapshot(definitions: Definitions) -> None:
    text = "\n".join(describe(definitions)) + "\n"
    if os.environ.get("BROKER_UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text()


def test_everything_that_makes_things_happen_runs_by_default(definitions: Definitions) -> None:
    repository = definitions.get_repository_def()
    started: list[SensorDefinition] = list(repository.sensor_defs)
    assert {sensor.default_status.value for sensor in started} == {"RUNNING"}
    assert {schedule.default_status.value for schedule in repository.schedule_defs} == {"RUNNING"}


def test_every_asset_says_what_it_is(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert set(node.owners) <= set(OWNERS), key
        assert node.owners, key
        assert node.kinds, key
        assert {"survey", "level", "family", "store"} <= {name for name, value in node.tags.items() if value}, key


def test_every_owner_is_a_role_that_the_manual_describes() -> None:
    manual = (Path(__file__).parents[1] / "docs" / "operating.md").read_text()
    for owner in OWNERS:
        assert f"`{owner.removeprefix('team:')}`" in manual


def test_everything_that_runs_says_what_it_does(definitions: Definitions) -> None:
    repository = definitions.get_repository_def()
    made: list[Any] = [
        *(job for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *repository.sensor_defs,
        *repository.schedule_defs,
    ]
    assert [item.name for item in made if not item.description] == []
    graph = definitions.resolve_asset_graph()
    assert [key for key in graph.asset_check_keys if not graph.get(key).description] == []


def test_groups_can_be_read_on_a_page(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups = Counter(graph.get(key).group_name for key in graph.get_all_asset_keys())
    assert max(groups.values()) <= 18, groups
    for family in FAMILIES:
        assert 3 <= groups[f"telemetry_{family}"] <= 4


def test_what_has_no_automation_names_what_writes_it(watching: Definitions) -> None:
    """The page says "No automations found" for what a job writes without being an asset job: there, it has links."""
    graph = watching.resolve_asset_graph()
    repository = watching.get_repository_def()
    existing = {
        "jobs": {job.name for job in repository.get_all_jobs()},
        "sensors": {sensor.name for sensor in repository.sensor_defs},
        "schedules": {schedule.name for schedule in repository.schedule_defs},
    }
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        links = re.findall(rf"\]\(/locations/{LOCATION}/(\w+)/(\w+)\)", str(node.metadata.get(WRITTEN_BY, "")))
        if node.automation_condition is None:
            assert links, key
            assert any(kind in ("sensors", "schedules") for kind, _ in links), key
        for kind, name in links:
            assert name in existing[kind], (key, name)
            assert f"/{kind}/{name})" in (node.description or ""), key


def test_links_lead_to_the_location_of_the_workspace() -> None:
    workspace = yaml.safe_load((Path(__file__).parents[1] / "workspace.yaml").read_text())
    assert [entry["grpc_server"]["location_name"] for entry in workspace["load_from"]] == [LOCATION]


def test_nothing_made_here_lacks_its_parents(definitions: Definitions, watching: Definitions) -> None:
    for made in (definitions, watching):
        graph = made.resolve_asset_graph()
        assert not [key for key in graph.materializable_asset_keys if not graph.get(key).parent_keys]


STARTED_OTHERWISE = {
    "drain": {
        "packet_archive", "sources", "forced_sources", "objects", "watchlist_facts", "area_facts", "sky_map_facts",
        "context_matches", "context_rules", "object_features", "dust_map", "class_scores", "filter_matches",
        "active_classifiers",
    },
    "fetch_tns": {"crossmatch_tns"},
    "train_classifier": {"training_set", "default_classifier"},
    "match_lists": {"active_lists", "cone_index", "area_index", "rematched_lists"},
    "match_lists, drain": {"watchlist_hits", "area_hits", "sky_map_hits"},
    "ingest_telemetry": {"lb_auxiliary", "lb_calibration", "lb_housekeeping", "lb_quicklook", "lb_science"},
    "telemetry_inputs (sensor)": {
        "instrument_configuration", "instrument_database", "observation_plan", "request_table", "spice_kernels"
    },
    "publish": {"published_files"},
    "survey_night": {
        "survey_alerts", "survey_archives", "rehearsed_answers", "broker_messages", "reported_objects",
        "object_rollups",
    },
    "compare_brokers": {"classifier_scorecards", "contradictions", "first_campaign_views"},
    "nightly_backup": {"users_data_backup", "object_store_inventory"},
    "weekly_backup": {"database_backup"},
    "place_objects": {"root_objects"},
    "plan_nights": {"spectrum_night_plans"},
    "move_months": {"cold_night", "proven_months", "detached_months"},
}  # fmt: skip
"""Assets without an automation condition, by the job or sensor that makes or reports them."""


def test_derived_assets_follow_their_parents(definitions: Definitions) -> None:
    """Every asset made here has the condition of the architecture, or is made or reported by a run of its own."""
    graph = definitions.resolve_asset_graph()
    conditions = {key.to_user_string(): graph.get(key).automation_condition for key in graph.materializable_asset_keys}
    assert {name for name, condition in conditions.items() if condition is None} == set().union(
        *STARTED_OTHERWISE.values()
    )
    assert {condition.get_label() for condition in conditions.values() if condition} == {
        "on_new_versions", "on_new_versions_after_the_night"
    }  # fmt: skip


def test_runs_stay_within_what_dagster_and_its_tables_like(definitions: Definitions) -> None:
    """As `docker/README.md` promises: one partition a run, so few planned events, and few and short tags."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    for key in graph.get_all_asset_keys():
        policy = graph.get(key).backfill_policy
        assert policy is None or policy.max_partitions_per_run == 1, key.to_user_string()
    for job in repository.get_all_jobs():
        tags = {**job.tags, **job.run_tags}
        assert len(tags) <= 10, job.name
        assert all(len(value) < 500 for value in tags.values()), job.name
    assert len(graph.get_all_asset_keys()) + len(graph.asset_check_keys) < 1000


def test_definitions_are_fresh_each_time() -> None:
    assert build_defs(settings=Settings()) is not build_defs(settings=Settings())


def test_resources_can_be_replaced() -> None:
    database = Database("postgresql+psycopg://somewhere/else")
    made = build_defs(settings=Settings(), resource_overrides={"database": database})
    assert made.resources is not None
    assert made.resources["database"] is database


def test_unknown_override_is_refused() -> None:
    with pytest.raises(ValueError, match="data_base"):
        build_defs(settings=Settings(), resource_overrides={"data_base": None})


def test_no_secret_is_shown() -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql+psycopg://me:secret@host/broker"}})
    made = build_defs(settings=settings)
    assert made.resources is not None
    assert "secret" not in repr(made.resources["database"])


def test_every_code_version_of_the_graph_is_recorded_when_it_loads() -> None:
    """A run whose code is not recorded is refused: one asset that is left out would stop them all."""
    graph = build_defs(settings=Settings()).resolve_asset_graph()
    wanted = {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}
    recorded = code_versions(*subjects(Settings(), enrichment_plan(Settings())))
    assert recorded == {asset: version for asset, version in wanted.items() if version}

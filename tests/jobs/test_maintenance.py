"""Pruning removes the past and leaves the present."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterEventType,
    DagsterInstance,
    EventRecordsFilter,
    job,
    op,
)

from broker_assets.jobs.maintenance import prune

pytestmark = pytest.mark.database

LATER = datetime.now(UTC) + timedelta(days=200)
SOURCES = AssetKey("sources")


@pytest.fixture(params=["memory", "postgres"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DagsterInstance]:
    """Dagster's storage in memory, and as it is in production."""
    if request.param == "memory":
        with DagsterInstance.ephemeral() as ephemeral:
            yield ephemeral
        return
    url = request.getfixturevalue("dagster_url")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"postgres": {"postgres_url": url}}}))
    with DagsterInstance.from_config(str(tmp_path)) as persistent:
        yield persistent


@op(out={})
def makes(context) -> Iterator[Any]:  # type: ignore[no-untyped-def]
    context.log.info("at work")
    for night, version in [("2024-05-01", "a"), ("2024-05-02", "a"), ("2024-05-01", "b")]:
        yield AssetMaterialization(SOURCES, partition=night, tags={"dagster/data_version": version})
        yield AssetCheckEvaluation(asset_key=SOURCES, check_name="balances", passed=True, partition=night)
    for lag in (1, 2):
        yield AssetObservation("stream", metadata={"lag": lag})


@job
def making() -> None:
    makes()


def events(instance: DagsterInstance, kind: DagsterEventType) -> int:
    return len(instance.get_event_records(EventRecordsFilter(kind), limit=1000))


def test_superseded_events_go_and_the_newest_stay(instance: DagsterInstance) -> None:
    runs = [making.execute_in_process(instance=instance).run_id for _ in range(2)]

    def count() -> int:
        return sum(len(instance.get_records_for_run(run_id, limit=1000).records) for run_id in runs)

    before = count()
    evaluated = events(instance, DagsterEventType.ASSET_CHECK_EVALUATION)
    deleted = prune(instance, run_days=30, asset_days=90, now=LATER)
    assert deleted["asset events"] == 4 + 3
    assert deleted["check evaluations"] == 2
    assert deleted["run events"] > 10
    assert deleted["check events"] == evaluated - 2, "the newest of each night stays"
    assert before - count() == deleted["run events"] + deleted["asset events"] + deleted["check events"]
    # All that the first run did is superseded by the second.
    assert deleted["runs"] == 1
    assert [instance.has_run(run_id) for run_id in runs] == [False, True]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([AssetCheckKey(SOURCES, "balances")])
    assert len(latest) == 1
    assert instance.get_materialized_partitions(SOURCES) == {"2024-05-01", "2024-05-02"}
    newest = instance.fetch_materializations(SOURCES, limit=10).records
    made = [record.asset_materialization for record in newest if record.asset_materialization]
    assert {(event.partition, (event.tags or {})["dagster/data_version"]) for event in made} == {
        ("2024-05-01", "b"),
        ("2024-05-02", "a"),
    }
    (observed,) = instance.fetch_observations(AssetKey("stream"), limit=10).records
    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["lag"].value == 2
    assert prune(instance, run_days=30, asset_days=90, now=LATER) == dict.fromkeys(deleted, 0)


def test_evaluations_of_automation_are_kept_for_days(dagster_url: str, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"postgres": {"postgres_url": dagster_url}}}))
    with DagsterInstance.from_config(str(tmp_path)) as instance, sa.create_engine(dagster_url).connect() as connection:
        for number, days in enumerate((1, 6, 8, 20)):
            connection.execute(
                sa.text(
                    "INSERT INTO asset_daemon_asset_evaluations (evaluation_id, asset_key, create_timestamp)"
                    " VALUES (:number, 'sources', (now() AT TIME ZONE 'UTC') - make_interval(days => :days))"
                ),
                {"number": number, "days": days},
            )
        connection.commit()
        prune(instance, run_days=30, asset_days=90, now=datetime.now(UTC))
        kept = connection.scalars(sa.text("SELECT evaluation_id FROM asset_daemon_asset_evaluations ORDER BY 1"))
        assert kept.all() == [0, 1]


def test_young_events_stay(instance: DagsterInstance) -> None:
    making.execute_in_process(instance=instance)
    before = events(instance, DagsterEventType.ASSET_MATERIALIZATION)
    assert set(prune(instance, run_days=30, asset_days=90, now=datetime.now(UTC)).values()) == {0}
    assert events(instance, DagsterEventType.ASSET_MATERIALIZATION) == before


def messages(platform: Any, run_id: str) -> list[str]:
    """What a run logged."""
    return [record.event_log_entry.user_message for record in platform.instance.get_records_for_run(run_id).records]


def test_daily_job(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    result = platform.run("maintenance")
    assert result.success
    logged = messages(platform, result.run_id)
    kinds = ("run events", "asset events", "check evaluations", "check events", "runs")
    assert ", ".join([*(f"deleted {kind}: 0" for kind in kinds), "stale artefacts: 0"]) in logged
    for what in ("features of alerts", "statistics of objects"):
        assert any(message.startswith(f"{what} before ") for message in logged)
    assert "associations that nothing refers to: 0 deleted, 0 left" in logged


def test_provenance_comes_first(platform: Any) -> None:
    platform.execute("DROP TABLE code CASCADE")
    result = platform.run("maintenance", raise_on_error=False)
    assert not result.success
    logged = messages(platform, result.run_id)
    assert not [message for message in logged if message.startswith("deleted")]

"""When publication, checks and daily products are started."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    RunRequest,
    build_schedule_context,
    job,
    op,
)
from recorded_days import instance, records
from telemetry_records import Records

from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.publication import (
    build_mirror_schedule,
    build_publish_schedule,
    build_telemetry_checks_schedule,
)
from broker_assets.settings import PublicationTarget

__all__ = ["instance", "records"]

pytestmark = pytest.mark.database

NOON = datetime.datetime(2024, 5, 20, 12, 10, tzinfo=datetime.UTC)
FIVE = NOON.replace(hour=5)


@op
def nothing() -> None:
    """Stands for the work of a job."""


@job
def publish_products() -> None:
    """Stands for the job."""
    nothing()


def tick(schedule: Any, records: Records, instance: DagsterInstance, now: datetime.datetime) -> RunRequest | str:
    """Evaluate a schedule; the request, or why there is none."""
    telemetry = Telemetry.of(records.settings)
    resources = {"database": records.database, "telemetry": telemetry}
    resources["publisher"] = Publisher.of(records.settings, telemetry)
    needed = {name: resources[name] for name in schedule.required_resource_keys}
    with build_schedule_context(instance=instance, scheduled_execution_time=now, resources=needed) as context:
        found = schedule.evaluate_tick(context)
    if found.skip_message is not None:
        return str(found.skip_message)
    assert found.run_requests is not None
    (request,) = found.run_requests
    return request


def test_publication_runs_when_something_is_due(records: Records, instance: DagsterInstance) -> None:
    schedule = build_publish_schedule(publish_products)
    assert tick(schedule, records, instance, NOON) == "nothing is due"
    records.product("L1", "2024-05-19", made=24)
    assert tick(schedule, records, instance, NOON) == "nothing is due"
    name = records.product("L1", "2024-05-01", made=15 * 24)
    request = tick(schedule, records, instance, NOON)
    assert isinstance(request, RunRequest)
    assert request.tags["broker/days"] == "1"
    assert request.run_config["ops"]["publish_due_files"]["config"] == {"update_requests": False}
    records.decision(name, "published")
    assert tick(schedule, records, instance, NOON) == "nothing is due"
    records.settings.publication.targets.append(PublicationTarget(name="copy", url="file:///copy", mirror=True))
    assert isinstance(tick(schedule, records, instance, NOON), RunRequest)


def test_table_of_requests_is_brought_up_to_date_once_a_day(records: Records, instance: DagsterInstance) -> None:
    schedule = build_publish_schedule(publish_products)
    request = tick(schedule, records, instance, FIVE)
    assert isinstance(request, RunRequest)
    assert request.run_config["ops"]["publish_due_files"]["config"] == {"update_requests": True}
    records.settings.publication.targets.clear()
    assert tick(schedule, records, instance, FIVE) == "no target is configured"


def test_one_publication_at_a_time(records: Records, instance: DagsterInstance) -> None:
    records.product("L1", "2024-05-01", made=15 * 24)
    instance.create_run_for_job(publish_products)
    assert tick(build_publish_schedule(publish_products), records, instance, NOON) == "a run is in progress"


def test_a_blacklist_that_cannot_be_read_is_told(records: Records, instance: DagsterInstance, tmp_path: Path) -> None:
    records.settings.publication.blacklist = tmp_path / "gone.txt"
    found = tick(build_publish_schedule(publish_products), records, instance, NOON)
    assert "gone.txt" in str(found)


def test_mirrors_and_checks_run_where_there_is_something(records: Records, instance: DagsterInstance) -> None:
    mirrors, checks = build_mirror_schedule(publish_products), build_telemetry_checks_schedule(publish_products)
    assert tick(mirrors, records, instance, NOON) == "no copy of the archive is configured"
    assert tick(checks, records, instance, NOON) == "there is no telemetry"
    records.file("a.xml")
    records.settings.publication.targets.append(PublicationTarget(name="copy", url="file:///copy", mirror=True))
    assert tick(mirrors, records, instance, NOON) == "no copy is due"
    often = PublicationTarget(name="often", url="file:///often", mirror=True, mirror_hours=3)
    records.settings.publication.targets.append(often)
    request = tick(mirrors, records, instance, NOON)
    assert isinstance(request, RunRequest)
    assert request.run_config["ops"]["copy_archive"]["config"] == {"targets": ["often"]}
    assert isinstance(tick(checks, records, instance, NOON), RunRequest)

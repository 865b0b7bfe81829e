"""When publication, checks and daily products are started."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    Definitions,
    JobDefinition,
    RunRequest,
    SkipReason,
    asset,
    build_schedule_context,
    build_sensor_context,
    define_asset_job,
    job,
    op,
)
from telemetry_records import Records

from broker_assets.partitions import observation_days
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.publication import (
    build_mirror_schedule,
    build_publish_schedule,
    build_telemetry_checks_schedule,
)
from broker_assets.sensors.telemetry.due_products import MOST_RUNS, build_daily_products
from broker_assets.settings import PublicationTarget

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


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, NOON)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    # A schedule asks its instance by reference, which one in memory does not have.
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as opened:
        yield opened


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
    assert isinstance(tick(mirrors, records, instance, NOON), RunRequest)
    assert isinstance(tick(checks, records, instance, NOON), RunRequest)


@asset(partitions_def=observation_days)
def l2_quicklook() -> None:
    """Stands for the pictures."""


@asset(partitions_def=observation_days)
def l2_auxiliary() -> None:
    """Stands for the ancillary products."""


class DailyProducts:
    """The sensor over rows of a test."""

    def __init__(self, records: Records, instance: DagsterInstance, folder: Path) -> None:
        self.records, self.instance = records, instance
        made = define_asset_job("daily_products", AssetSelection.assets(l2_quicklook, l2_auxiliary))
        self.sensor = build_daily_products(made)
        self.definitions = Definitions(assets=[l2_quicklook, l2_auxiliary], jobs=[made], sensors=[self.sensor])
        telemetry = records.settings.telemetry
        telemetry.databases = telemetry.configuration = folder
        telemetry.kernels = folder / "kernels"

    def fly(self, date: str) -> None:
        """Deliver flown kernels of a date."""
        meta = self.records.settings.telemetry.kernels
        assert meta is not None
        (meta / "mk").mkdir(parents=True, exist_ok=True)
        (meta / "lsk.tls").write_text("")
        name = f"solo_ANC_soc-flown-mk_V107_{date}_001.tm"
        (meta / "mk" / name).write_text("\\begindata\nKERNELS_TO_LOAD = ( '../lsk.tls' )\n\\begintext\n")

    def tick(self) -> list[str]:
        """Asset and day of the runs that are asked for, which are started."""
        context = build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            resources={"database": self.records.database, "telemetry": Telemetry.of(self.records.settings)},
        )
        found = self.sensor(context)
        if isinstance(found, SkipReason):
            return []
        requests = list(found)  # type: ignore[arg-type]
        resolved: JobDefinition = self.definitions.resolve_job_def("daily_products")
        for request in requests:
            self.instance.create_run_for_job(resolved, tags=dict(request.tags))
        return [f"{request.asset_selection[0].to_user_string()} {request.partition_key}" for request in requests]


@pytest.fixture
def daily(records: Records, instance: DagsterInstance, tmp_path: Path) -> DailyProducts:
    return DailyProducts(records, instance, tmp_path)


def test_picture_of_a_whole_or_old_day_is_asked_for_once(daily: DailyProducts) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    yesterday = (today - datetime.timedelta(days=1)).isoformat()
    daily.records.product("L1", yesterday, rows=9_000)
    assert daily.tick() == []
    daily.records.product("L1", "2024-05-01", rows=9_000)
    assert daily.tick() == ["l2_quicklook 2024-05-01"], "it does not grow any more"
    assert daily.tick() == []
    daily.records.execute(
        f"UPDATE product_file SET starts = '{yesterday}T00:00:02.5', ends = '{yesterday}T23:58:00', digest = 'whole'"
        f" WHERE day = '{yesterday}'"
    )
    assert daily.tick() == [f"l2_quicklook {yesterday}"]
    assert daily.tick() == []


def test_picture_that_is_there_is_not_asked_for(daily: DailyProducts) -> None:
    daily.records.product("L1", "2024-05-01", rows=21_600)
    daily.records.product("LL03", "2024-05-01", name="solo_LL03_stix-ql-lightcurve_20240501.svg")
    assert daily.tick() == []


def test_ancillary_products_wait_for_flown_kernels(daily: DailyProducts) -> None:
    for day in ("2024-05-01", "2024-05-03"):
        daily.records.product("L1", day, kind="hk-maxi", family="housekeeping")
    assert daily.tick() == [], "there are no kernels"
    daily.fly("20240503")
    assert daily.tick() == ["l2_auxiliary 2024-05-01"]
    daily.fly("20240505")
    assert daily.tick() == ["l2_auxiliary 2024-05-03"]
    assert daily.tick() == []


def test_many_missed_days_are_worked_off(daily: DailyProducts) -> None:
    first = datetime.date(2023, 1, 1)
    days = [(first + datetime.timedelta(days=number)).isoformat() for number in range(MOST_RUNS + 3)]
    for day in days:
        daily.records.product("L1", day, rows=21_600)
    assert len(daily.tick()) == MOST_RUNS
    assert len(daily.tick()) == 3
    assert daily.tick() == []


def test_days_without_partition_are_left_alone(daily: DailyProducts) -> None:
    daily.records.product("L1", "2019-01-01", rows=21_600)
    assert daily.tick() == []

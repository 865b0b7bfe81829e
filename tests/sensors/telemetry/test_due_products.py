"""Pictures and ancillary products are asked for once they are due."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    Definitions,
    JobDefinition,
    SkipReason,
    asset,
    build_sensor_context,
    define_asset_job,
)
from recorded_days import instance, records
from telemetry_records import Records

from broker_assets.partitions import observation_days
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.telemetry.due_products import MOST_RUNS, build_daily_products

__all__ = ["instance", "records"]


pytestmark = pytest.mark.database


NOON = datetime.datetime(2024, 5, 20, 12, 10, tzinfo=datetime.UTC)


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

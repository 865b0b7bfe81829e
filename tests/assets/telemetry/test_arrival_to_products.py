"""From a file that arrives to the last level: sensor of the folder, ingest run, automation."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance, RunRequest, build_sensor_context
from telemetry_arrivals import DAY
from telemetry_platform import Mission as Platform

from broker_assets.resources.database import Database
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry.archive.day_products import MADE_FROM, level_and_family
from broker_assets.telemetry.simulation import write_mission

pytestmark = [pytest.mark.database, pytest.mark.slow]


def tick(platform: Platform) -> list[RunRequest]:
    """What the sensor of the folders asks for."""
    sensor = platform.definitions.get_repository_def().get_sensor_def("telemetry_files")
    context = build_sensor_context(
        instance=platform.instance, resources={"database": platform.database, "telemetry": platform.telemetry}
    )
    return list(sensor.evaluate_tick(context).run_requests or ())


def ingest(platform: Platform) -> None:
    """The run that the sensor asks for."""
    (request,) = tick(platform)
    assert request.job_name is not None
    job = platform.definitions.resolve_job_def(request.job_name)
    assert job.execute_in_process(instance=platform.instance, tags=request.tags).success


@pytest.mark.timeout(900)
def test_files_that_arrive_become_all_products(tmp_path: Path, database_url: str) -> None:
    mission = write_mission(tmp_path / "mission", start=DAY, days=1)
    late = mission.files[-1]
    late.rename(tmp_path / late.name)
    telemetry = TelemetrySettings(
        incoming=[str(mission.incoming)],
        stable_seconds=0,
        databases=mission.databases,
        configuration=mission.configuration,
        kernels=mission.kernels,
        planning=mission.planning,
        requests=mission.requests,
    )
    settings = Settings(home=tmp_path / "home", telemetry=telemetry)
    with DagsterInstance.ephemeral() as instance:
        platform = Platform(settings, Database(database_url), None, instance)  # type: ignore[arg-type]
        platform.evaluate()
        ingest(platform)
        assert tick(platform) == []
        made = platform.settle()
        assert {asset for asset, day in made if day == DAY.isoformat()} == {
            asset for asset in MADE_FROM if level_and_family(asset)[0] != "LB"
        }
        assert platform.stale() == set()
        levels = {row[0] for row in platform.query("SELECT DISTINCT level FROM product_file")}
        assert {"LB", "L0", "L1", "ANC", "LL03"} <= levels
        recorded = {row[0] for row in platform.query("SELECT path FROM product_file WHERE superseded_at IS NULL")}
        assert recorded == platform.tree().keys()

        # A file that comes late changes what it has packets of, and what it has none of stays.
        before = platform.tree()
        (tmp_path / late.name).rename(late)
        ingest(platform)
        platform.settle()
        assert platform.stale() == set()
        after = platform.tree()
        assert after != before
        changed = {path for path, digest in after.items() if before.get(path) != digest}
        touched = platform.query(
            "SELECT name, family FROM telemetry_file_day JOIN telemetry_file USING (telemetryfileid)"
        )
        families = {family for name, family in touched if name == late.name}
        of_changed = platform.query("SELECT path, family FROM product_file WHERE superseded_at IS NULL")
        assert {family for path, family in of_changed if path in changed} <= families | {"auxiliary"}

"""A simulated mission from arrival to publication, seen by the checks: what is well passes, what is broken is found."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance

from broker_assets.build import build_defs
from broker_assets.monitoring.telemetry.overview import Overview, overview
from broker_assets.resources.database import Database
from broker_assets.settings import (
    DatabaseSettings,
    PublicationSettings,
    PublicationTarget,
    Settings,
    TelemetrySettings,
)
from broker_assets.telemetry.simulation import Fault, Mission, write_mission

pytestmark = [pytest.mark.database, pytest.mark.slow]

LEVELS = ("l0", "l1", "l2")


class Site:
    """The platform over a mission, with an archive that everything is due for at once."""

    def __init__(self, mission: Mission, url: str, folder: Path, instance: DagsterInstance) -> None:
        (folder / "soar").mkdir()
        self.mission = mission
        self.instance = instance
        self.settings = Settings(
            home=folder / "home",
            database=DatabaseSettings(url=url),  # type: ignore[arg-type]
            streams=[],
            telemetry=TelemetrySettings(
                incoming=[str(mission.incoming)], databases=mission.databases, configuration=mission.configuration,
                kernels=mission.kernels, planning=mission.planning, requests=mission.requests, stable_seconds=0,
            ),
            publication=PublicationSettings(
                targets=[PublicationTarget(name="soar", url=str(folder / "soar"), waiting_hours=0, products=["*"])]
            ),
        )  # fmt: skip
        self.definitions = build_defs(settings=self.settings, resource_overrides={"database": Database(url)})

    def run(self, job: str) -> Any:
        return self.definitions.resolve_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False)

    def make(self, day: datetime.date) -> None:
        """Materialise all levels of a day, as automation would."""
        names = {key.to_user_string() for key in self.definitions.resolve_asset_graph().get_all_asset_keys()}
        for level in LEVELS:
            assets = [AssetKey(name) for name in sorted(names) if name.startswith(f"{level}_")]
            result = self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=self.instance, partition_key=day.isoformat(), asset_selection=assets, raise_on_error=False
            )
            assert result.success, [event.message for event in result.all_events if event.is_failure]

    def overview(self) -> Overview:
        return overview(self.settings)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as opened:
        yield opened


def test_a_mission_from_arrival_to_publication(tmp_path: Path, database_url: str, instance: DagsterInstance) -> None:
    start = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=4)
    site = Site(write_mission(tmp_path / "mission", start=start), database_url, tmp_path, instance)
    before = site.overview()
    assert before.configured
    assert before.healthy, before.attention
    assert site.run("ingest_telemetry").success
    arrived = site.overview()
    assert (arrived.waiting, arrived.folders[0].processed) == (0, len(site.mission.files))
    assert sum(family.packets or 0 for family in arrived.families) == site.mission.packets
    assert {level.level for level in arrived.levels} == {"LB"}
    site.make(start)
    result = site.run("publish_products")
    assert result.success
    found = site.overview()
    assert [f"{item.subject}: {item.text}" for item in found.attention] == []
    assert found.healthy, found.problems
    assert {"LB", "L0", "L1"} <= {level.level for level in found.levels}
    assert sum(level.stale for level in found.levels) == 0
    assert found.without_kernels == 0
    (target,) = found.targets
    delivered = {path.name for path in (tmp_path / "soar").iterdir()}
    assert target.published + target.supplements == len(delivered) > 10
    assert (target.waiting, target.held, target.errors) == (0, 0, 0)
    checks = {e.check_name: e.passed for e in site.run("check_telemetry").get_asset_check_evaluations()}
    assert all(checks.values()), checks


def test_what_is_broken_is_found(tmp_path: Path, database_url: str, instance: DagsterInstance) -> None:
    start = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=4)
    mission = write_mission(tmp_path / "mission", start=start, faults=list(Fault))
    site = Site(mission, database_url, tmp_path, instance)
    site.run("ingest_telemetry")
    site.make(start)
    found = site.overview()
    assert found.bad_packets
    (answer,) = found.incomplete
    assert answer.missing
    assert {"telemetry_register/bad_packets"} == {item.subject for item in found.attention}, "the rest is young"
    (housekeeping,) = [family for family in found.families if family.family == "housekeeping"]
    assert (housekeeping.unsynchronised, housekeeping.missing, housekeeping.newest) == (1, 0, start)
    with Database(database_url).transaction() as connection:
        connection.execute("UPDATE product_file SET made_at = made_at - interval '4 days'")
    later = site.overview()
    subjects = {item.subject: item.text for item in later.attention}
    assert answer.name in subjects["l0_science/incomplete_answers"]
    assert answer.missing in subjects["l0_science/incomplete_answers"]
    assert set(subjects) == {
        "telemetry_register/bad_packets", "l0_science/incomplete_answers", "published_files/published_as_due",
    }  # fmt: skip

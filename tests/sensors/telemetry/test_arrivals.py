"""When telemetry is received, what is recorded of the folders, and when nothing is done."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetObservation,
    DagsterInstance,
    DagsterRunStatus,
    JobDefinition,
    SensorResult,
    SkipReason,
    build_sensor_context,
    job,
    op,
)
from telemetry_arrivals import Site, make_site
from watched_folder import watched

from broker_assets.assets.telemetry.folders import INGEST_JOB, INGEST_OP, folder_key, telemetry_folders
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.telemetry import arrivals
from broker_assets.sensors.telemetry.arrivals import build_telemetry_files
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.receiver import Receiver, ingest_session

pytestmark = pytest.mark.database


@op(name=INGEST_OP)
def nothing() -> None:
    pass


@job(name=INGEST_JOB)
def ingest_job() -> None:
    nothing()


class Ticks:
    """The sensor, its cursor and its instance."""

    def __init__(self, instance: DagsterInstance, database: Database, telemetry: Telemetry) -> None:
        self.instance = instance
        self.database = database
        self.telemetry = telemetry
        self.sensor = build_telemetry_files(_job(), 30)
        self.cursor: str | None = None

    def tick(self) -> SensorResult | SkipReason:
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"database": self.database, "telemetry": self.telemetry},
        )
        result = self.sensor(context)
        assert isinstance(result, SensorResult | SkipReason)
        if isinstance(result, SensorResult):
            self.cursor = result.cursor
        return result


def _job() -> JobDefinition:
    return ingest_job


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def ticks(instance: DagsterInstance, database_url: str, site: Site) -> Ticks:
    return Ticks(instance, Database(database_url), site.telemetry)


def skipped(result: SensorResult | SkipReason) -> str:
    """Why no run was asked for."""
    if isinstance(result, SkipReason):
        return str(result.skip_message)
    assert result.run_requests == []
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


def observed(result: SensorResult | SkipReason) -> list[AssetObservation]:
    assert isinstance(result, SensorResult)
    return [event for event in result.asset_events if isinstance(event, AssetObservation)]


def receive(site: Site, database_url: str) -> None:
    """What the run does."""
    telemetry = site.telemetry
    with ingest_session(database_url) as session, telemetry.store() as store:
        databases = telemetry.inputs().databases
        incoming = folders(site.settings.telemetry)
        Receiver(session, incoming, telemetry.folders.incoming, store, databases, stable_seconds=0).run()


def test_a_complete_file_asks_for_one_run(ticks: Ticks, site: Site) -> None:
    assert skipped(ticks.tick()) == "no file is waiting"
    site.arrive(1, range(3))
    site.arrive(2, range(3))
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    (request,) = result.run_requests or ()
    assert request.job_name == INGEST_JOB
    assert "2 files" in request.tags["broker/reason"]
    again = ticks.tick()
    assert isinstance(again, SensorResult)
    # The same key: Dagster does not start it twice.
    assert [item.run_key for item in again.run_requests or ()] == [request.run_key]


def test_a_young_file_waits(tmp_path: Path, ticks: Ticks, site: Site) -> None:
    patient = site.settings.telemetry.model_copy(update={"stable_seconds": 3600.0})
    ticks.telemetry = Telemetry(patient, tmp_path / "home")
    site.arrive(1, range(3))
    assert skipped(ticks.tick()) == "1 files are not yet complete or wait for a retry"


def test_no_second_run_while_one_is_under_way_or_holds_the_lock(
    ticks: Ticks, site: Site, instance: DagsterInstance, database_url: str
) -> None:
    site.arrive(1, range(3))
    run = instance.create_run_for_job(_job(), status=DagsterRunStatus.STARTED)
    assert "a run is in progress" in skipped(ticks.tick())
    instance.report_run_canceled(run)
    with ingest_session(database_url):
        assert "being received" in skipped(ticks.tick())
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert len(result.run_requests or ()) == 1


def test_runs_that_fail_are_followed_by_another_after_a_pause(
    ticks: Ticks, site: Site, instance: DagsterInstance
) -> None:
    site.arrive(1, range(3))
    run = instance.create_run_for_job(_job(), status=DagsterRunStatus.STARTED)
    instance.report_run_failed(run)
    assert "1 consecutive runs failed" in skipped(ticks.tick())


def test_the_state_of_the_folder_is_recorded(
    ticks: Ticks, site: Site, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "OBSERVATION_SECONDS", 0.0)
    (empty,) = observed(ticks.tick())
    assert empty.asset_key == folder_key(str(site.incoming))
    assert observed(ticks.tick()) == []
    site.arrive(1, range(3))
    (came,) = observed(ticks.tick())
    assert came.metadata["waiting"].value == 1
    receive(site, database_url)
    (done,) = observed(ticks.tick())
    assert (done.description, done.metadata["waiting"].value) == ("1 processed", 0)
    assert len({item.tags["dagster/data_version"] for item in (empty, came, done)}) == 3
    assert len(json.dumps(ticks.cursor)) < 500
    assert [spec.key for spec in telemetry_folders(site.settings.telemetry)] == [done.asset_key]


def test_a_run_that_died_before_it_reported_is_followed_by_another(ticks: Ticks, site: Site, database_url: str) -> None:
    site.arrive(1, range(3))
    receive(site, database_url)
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    (request,) = result.run_requests or ()
    assert request.tags["broker/reason"] == "1 files were received but not reported"


def test_databases_that_come_later_ask_for_a_run(ticks: Ticks, site: Site) -> None:
    ticks.telemetry.note_databases(ticks.telemetry.present_databases)
    assert skipped(ticks.tick()) == "no file is waiting"
    (site.folder / "databases/v9").mkdir()
    (site.folder / "databases/v9/idb.sqlite").write_text("")
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    (request,) = result.run_requests or ()
    assert request.tags["broker/reason"] == "instrument databases have changed"


def test_a_folder_that_is_away_is_told_and_hinders_no_other(
    tmp_path: Path, instance: DagsterInstance, database_url: str
) -> None:
    site = make_site(tmp_path, incoming=[str(tmp_path / "arriving"), str(tmp_path / "absent")])
    site.arrive(1, range(3))
    ticks = Ticks(instance, Database(database_url), site.telemetry)
    result = ticks.tick()
    assert isinstance(result, SensorResult)
    assert len(result.run_requests or ()) == 1
    receive(site, database_url)
    with ingest_session(database_url) as session:
        session.execute("UPDATE telemetry_file SET reported_at = now()")
    assert skipped(ticks.tick()) == f"trouble: {(tmp_path / 'absent').as_uri()} does not exist; no file is waiting"


def test_a_folder_that_does_not_answer_costs_a_tick_no_more_than_its_time(
    tmp_path: Path, instance: DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(arrivals, "LOOK_SECONDS", 0.2)
    with watched(tmp_path / "arriving", before_listing=lambda: answer.wait(60)) as url:
        site = make_site(tmp_path, incoming=[url])
        try:
            assert "did not answer within" in skipped(Ticks(instance, Database(database_url), site.telemetry).tick())
        finally:
            answer.set()


def test_an_absent_database_and_absent_settings_are_a_sentence(
    tmp_path: Path, instance: DagsterInstance, site: Site
) -> None:
    away = Database("postgresql+psycopg://nobody@/nothing?host=/nowhere")
    assert "cannot be reached" in skipped(Ticks(instance, away, site.telemetry).tick())
    bare = Telemetry(site.settings.telemetry.model_copy(update={"incoming": []}), tmp_path)
    assert "not set" in skipped(Ticks(instance, away, bare).tick())

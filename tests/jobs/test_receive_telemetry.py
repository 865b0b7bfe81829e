"""The ingest run: what it makes of files that wait, what it tells Dagster and provenance, and what others left."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, ExecuteInProcessResult
from telemetry_arrivals import DAY, Site, make_site

from broker_assets.database import engine
from broker_assets.jobs.receive_telemetry import build_ingest_telemetry
from broker_assets.provenance import product_files, versions
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry.archive.code_versions import code_version
from broker_assets.telemetry.archive.days import FAMILIES, day_version
from broker_assets.telemetry.archive.input_versions import INPUTS
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.receiver import Receiver, ingest_session
from broker_assets.telemetry.simulation import Fault, write_mission

pytestmark = pytest.mark.database

NEXT = DAY + datetime.timedelta(days=1)
ASSET = "lb_housekeeping"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def ingest(site: Site, instance: DagsterInstance, database_url: str) -> Callable[..., ExecuteInProcessResult]:
    """The job over the folders of the site."""

    def execute(**options: Any) -> ExecuteInProcessResult:
        return build_ingest_telemetry(site.settings.telemetry).execute_in_process(
            instance=instance,
            resources={"database": Database(database_url), "telemetry": site.telemetry},
            raise_on_error=False,
            **options,
        )

    return execute


def told(result: ExecuteInProcessResult, asset: str = ASSET) -> dict[str, AssetMaterialization]:
    """Materialisations of an asset, by partition."""
    found = [
        event.step_materialization_data.materialization
        for event in result.all_node_events
        if event.is_step_materialization
    ]
    return {str(item.partition): item for item in found if item.asset_key == AssetKey(asset)}


def levelb(site: Site) -> list[str]:
    """Names of files of level LB."""
    return sorted(path.name for path in (site.telemetry.folders.products / "LB").rglob("*.fits"))


def test_days_of_files_are_made_and_told(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], connection: psycopg.Connection[Any]
) -> None:
    site.arrive(1, range(3))
    site.arrive(2, range(2, 5))
    site.arrive(3, range(5), NEXT)
    result = ingest()
    assert result.success
    made = told(result)
    assert sorted(made) == [DAY.isoformat(), NEXT.isoformat()]
    with site.telemetry.store() as store:
        assert made[DAY.isoformat()].tags == {
            "dagster/data_version": day_version(store, "housekeeping", DAY),
            "dagster/code_version": code_version("LB", "housekeeping", {}),
        }
    metadata = made[DAY.isoformat()].metadata
    assert metadata["files"].value == 1
    assert metadata["dagster/row_count"].value == 5
    assert metadata["files received"].value == 3
    assert metadata["packets new"].value == 10
    entry = versions.current(connection, ASSET, DAY.isoformat())
    assert entry is not None
    tags = made[DAY.isoformat()].tags or {}
    assert (entry.data_version, entry.run_id) == (tags["dagster/data_version"], result.run_id)
    (name, _) = levelb(site)
    (why,) = product_files.why(connection, name)
    assert (why.rows, why.run_id, why.day) == (5, result.run_id, DAY)
    raw = {use.name: use.version for use in why.used if use.kind == "raw"}
    assert len(raw) == 2
    assert all(len(checksum) == 64 for checksum in raw.values())


def test_a_second_run_does_nothing(site: Site, ingest: Callable[..., ExecuteInProcessResult]) -> None:
    site.arrive(1, range(3))
    assert told(ingest())
    again = ingest()
    assert again.success
    assert told(again) == {}


def test_only_days_with_other_packets_are_made_again(site: Site, ingest: Callable[..., ExecuteInProcessResult]) -> None:
    site.arrive(1, range(3))
    site.arrive(2, range(3), NEXT)
    before = told(ingest())
    site.arrive(3, range(5))
    after = told(ingest())
    assert list(after) == [DAY.isoformat()]
    assert after[DAY.isoformat()].tags != before[DAY.isoformat()].tags


def test_known_packets_make_nothing(site: Site, ingest: Callable[..., ExecuteInProcessResult]) -> None:
    site.arrive(1, range(3))
    ingest()
    site.arrive(2, range(2))
    result = ingest()
    assert result.success
    assert told(result) == {}


def test_inputs_of_the_days_are_told(site: Site, ingest: Callable[..., ExecuteInProcessResult]) -> None:
    site.arrive(1, range(3))
    result = ingest()
    for name in ("instrument_database", "request_table"):
        assert DAY.isoformat() in told(result, name)
    # Without kernels what needs them waits.
    assert told(result, "spice_kernels") == {}


def test_a_plan_that_cannot_be_read_stops_neither_receiving_nor_level_lb(
    tmp_path: Path, instance: DagsterInstance, database_url: str
) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/SSTX_observation_timeline_export_M01.json").write_text("{")
    site = make_site(tmp_path, planning=tmp_path / "plans")
    site.arrive(1, range(3))
    result = build_ingest_telemetry(site.settings.telemetry).execute_in_process(
        instance=instance, resources={"database": Database(database_url), "telemetry": site.telemetry}
    )
    assert list(told(result)) == [DAY.isoformat()]
    assert told(result, "instrument_database") == {}


def test_what_a_run_that_died_received_is_told_by_the_next(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], database_url: str
) -> None:
    site.arrive(1, range(3))
    telemetry = site.telemetry
    with ingest_session(database_url) as session, telemetry.store() as store:
        incoming, databases = folders(site.settings.telemetry), telemetry.inputs().databases
        Receiver(session, incoming, telemetry.folders.incoming, store, databases, stable_seconds=0).run()
    assert levelb(site) == []
    result = ingest()
    (made,) = told(result).values()
    assert made.metadata["dagster/row_count"].value == 3
    assert "earlier run" in str(made.metadata["note"].value)
    assert told(ingest()) == {}


def test_days_that_are_no_partitions_are_made_and_not_told(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], connection: psycopg.Connection[Any]
) -> None:
    unset = datetime.date(2000, 1, 2)
    site.arrive(1, range(3), unset)
    result = ingest()
    assert result.success
    assert told(result) == {}
    (name,) = levelb(site)
    assert [item.day for item in product_files.why(connection, name)] == [unset]
    # No automation asks for such a day: what can be made of it is made at once.
    levels = connection.execute("SELECT DISTINCT level FROM product_file WHERE superseded_at IS NULL").fetchall()
    assert {"LB", "L0"} <= {level for (level,) in levels}
    assert connection.execute("SELECT count(*) FROM telemetry_file WHERE reported_at IS NULL").fetchone() == (0,)


def test_a_file_that_is_no_telemetry_hinders_no_other(
    site: Site, ingest: Callable[..., ExecuteInProcessResult]
) -> None:
    (site.incoming / "a.PktTmRaw.xml").write_text("nothing of ours")
    site.arrive(1, range(3))
    result = ingest()
    assert result.success
    (made,) = told(result).values()
    assert made.metadata["files in quarantine"].value == 1


def test_a_full_disk_fails_the_run_after_it_told_what_it_did(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.arrive(1, range(3))
    site.arrive(2, range(3, 6))
    replace, segments = os.replace, []

    def full_after_one(source: Any, target: Any, **options: Any) -> None:
        if "segments" in str(target):
            segments.append(target)
            if len(segments) > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_after_one)
        result = ingest()
    assert len(segments) > 1
    assert not result.success
    (made,) = told(result).values()
    assert made.metadata["dagster/row_count"].value == 3
    (made,) = told(ingest()).values()
    assert made.metadata["dagster/row_count"].value == 6


def test_a_second_run_at_the_same_time_ends_at_once(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], database_url: str
) -> None:
    site.arrive(1, range(3))
    with ingest_session(database_url):
        result = ingest()
    assert result.success
    assert told(result) == {}
    assert told(ingest())


@pytest.mark.slow
def test_a_simulated_mission_with_every_fault(
    tmp_path: Path, instance: DagsterInstance, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """Every family of two days from a delivery with overlaps and damage; one file as a whole is no telemetry."""
    mission = write_mission(tmp_path / "mission", start=DAY, days=2, faults=list(Fault))
    (mission.incoming / "TM_Batch.PktTmRaw.cut.xml").write_bytes(b"")
    settings = Settings(
        home=tmp_path / "home",
        telemetry=TelemetrySettings(
            incoming=[str(mission.incoming)],
            stable_seconds=0,
            databases=mission.databases,
            configuration=mission.configuration,
            kernels=mission.kernels,
            planning=mission.planning,
            requests=mission.requests,
        ),
    )
    telemetry = Telemetry.of(settings)
    result = build_ingest_telemetry(settings.telemetry).execute_in_process(
        instance=instance, resources={"database": Database(database_url), "telemetry": telemetry}
    )
    for family in FAMILIES:
        assert {DAY.isoformat(), NEXT.isoformat()} <= told(result, f"lb_{family}").keys()
    for name in INPUTS:
        assert {DAY.isoformat(), NEXT.isoformat()} <= told(result, name).keys()
    states = dict(connection.execute("SELECT state, count(*) FROM telemetry_file GROUP BY state").fetchall())
    assert states == {"processed": len(mission.files), "quarantined": 1}
    with telemetry.store() as store:
        stored = store.index.rows("SELECT count(*) FROM packet")[0][0]
    assert connection.execute("SELECT sum(new_packets)::int FROM telemetry_file").fetchone() == (stored,)
    bad = connection.execute("SELECT count(*) FROM telemetry_quarantine").fetchone()
    assert connection.execute("SELECT sum(bad_packets)::int FROM telemetry_file").fetchone() == bad
    files = {path.name for path in telemetry.folders.products.rglob("*.fits")}
    recorded = connection.execute("SELECT name FROM product_file WHERE superseded_at IS NULL").fetchall()
    assert {name for (name,) in recorded} == files
    # Every product names telemetry files that are in the register, with their checksums.
    assert connection.execute("SELECT count(*) FROM product_file_input WHERE version = ''").fetchone() == (0,)


def test_the_table_of_requests_is_asked_for_before_a_run_and_not_at_every_run(
    tmp_path: Path, instance: DagsterInstance, database_url: str
) -> None:
    table = tmp_path / "requests.csv"
    header = "_id,unique_id,start_utc,scaling_factor\n"
    newest = datetime.datetime.now(datetime.UTC).date()
    table.write_text(f"{header}1,7,{newest}T00:00:00,30\n")
    # The answer to the first of the months that are asked for.
    first = newest - datetime.timedelta(days=60)
    answer = tmp_path / "answers" / f"{first:%Y%m%d}" / f"{first + datetime.timedelta(days=30):%Y%m%d}"
    answer.parent.mkdir(parents=True)
    answer.write_text(f"{header}2,8,{first}T00:00:00,60\n")
    site = make_site(tmp_path, requests=table, requests_url=f"{(tmp_path / 'answers').as_uri()}/")

    def ingest() -> None:
        resources = {"database": Database(database_url), "telemetry": site.telemetry}
        assert build_ingest_telemetry(site.settings.telemetry).execute_in_process(
            instance=instance, resources=resources
        )

    ingest()
    assert sorted(site.telemetry.inputs().requests.rows) == [7, 8]
    answer.write_text(f"{header}2,8,{first}T00:00:00,60\n3,9,{first}T00:00:00,60\n")
    ingest()
    assert sorted(site.telemetry.inputs().requests.rows) == [7, 8]
    mark = site.telemetry.folders.root / "requests-refreshed"
    os.utime(mark, (1, 1))
    ingest()
    assert sorted(site.telemetry.inputs().requests.rows) == [7, 8, 9]


def test_a_database_that_comes_later_is_as_if_it_had_been_there(
    site: Site, ingest: Callable[..., ExecuteInProcessResult], connection: psycopg.Connection[Any]
) -> None:
    (database,) = (site.folder / "databases").glob("v*/idb.sqlite")
    whole = database.read_bytes()
    with contextlib.closing(sqlite3.connect(database)) as older, older:
        older.execute("DELETE FROM PID WHERE PID_TYPE = 3 AND PID_STYPE = 25")
    site.arrive(1, range(3))
    before = told(ingest())
    assert connection.execute("SELECT bad_packets, reported_at IS NULL FROM telemetry_file").fetchone() == (3, False)
    database.write_bytes(whole)
    after = told(ingest())
    assert after[DAY.isoformat()].tags != getattr(before.get(DAY.isoformat()), "tags", None)
    assert after[DAY.isoformat()].metadata["dagster/row_count"].value == 3
    assert connection.execute("SELECT bad_packets, reported_at IS NULL FROM telemetry_file").fetchone() == (0, False)
    assert connection.execute("SELECT count(*) FROM telemetry_quarantine").fetchone() == (0,)
    assert told(ingest()) == {}

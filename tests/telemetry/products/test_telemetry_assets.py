"""Products as assets: what changes makes exactly what follows from it again."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    EventLogRecord,
    ExecuteInProcessResult,
    TableMetadataValue,
    build_sensor_context,
    evaluate_automation_conditions,
)
from telemetry_folders import InputFolders

from broker_assets.assets.telemetry_products import CHECK
from broker_assets.assets.telemetry_reports import look_at_inputs, report_inputs, report_levelb
from broker_assets.build import build_defs
from broker_assets.ingest.telemetry_products import look, record_files, stale_files
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.days import touched_days
from broker_assets.telemetry.input_versions import INPUTS, InputVersions
from broker_assets.telemetry.products.level0 import Inputs
from broker_assets.telemetry.receiving import receive_found

pytestmark = pytest.mark.database

BEFORE, DAY = "2021-01-16", "2021-01-17"
"""The packets of the pool lie around the midnight between."""
PERIOD = datetime.timedelta(seconds=31)


@dataclass
class Mission:
    """The definitions over folders and a database of the test."""

    settings: Settings
    database: Database
    folders: InputFolders
    instance: DagsterInstance
    telemetry: Telemetry = field(init=False)
    definitions: Definitions = field(init=False)
    cursor: Any = None
    """Of the automation sensor."""
    sensor_cursor: str | None = None

    def __post_init__(self) -> None:
        self.deploy()

    def deploy(self, **versions: int) -> None:
        """Fresh definitions, with other processing versions (`L1_ql_lightcurve=3`)."""
        overrides = {name.replace("_", "/", 1).replace("_", "-"): number for name, number in versions.items()}
        telemetry = self.settings.telemetry.model_copy(update={"versions": overrides})
        self.settings = self.settings.model_copy(update={"telemetry": telemetry})
        self.telemetry = Telemetry.of(self.settings)
        self.definitions = build_defs(
            settings=self.settings, resource_overrides={"database": self.database, "telemetry": self.telemetry}
        )

    def receive(self, packets: Sequence[RawPacket], name: str = "file") -> None:
        """Like an ingest run: packets into the store, files of level LB, then what Dagster is told."""
        inputs = self.telemetry.inputs()
        overrides = self.settings.telemetry.versions
        with self.telemetry.store() as store:
            received = receive_found(packets, name, store, inputs.databases)
            archive = self.telemetry.archive(store)
            outcome = archive.rebuild(received.touched, ["LB"])
            days = touched_days(store, received.touched)
            versions = InputVersions(inputs)
            made_of = {family: [look(store, versions, family, day) for day in days[family]] for family in days}
            found = look_at_inputs(self.telemetry, store, {day for touched in days.values() for day in touched})
            with self.database.transaction() as connection:
                record_files(connection, outcome, found, archive=archive.folder, overrides=overrides, run_id=None)
            for event in [
                *report_inputs(self.database, found),
                *report_levelb(self.database, made_of, overrides),
            ]:
                self.instance.report_runless_asset_event(event)

    def make(self, *assets: str, day: str = DAY) -> ExecuteInProcessResult:
        """Materialise assets of a day."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[AssetKey(asset) for asset in assets],
            partition_key=day,
        )

    def evaluate(self) -> set[tuple[str, str]]:
        """One tick of the automation sensor: assets and days asked for."""
        result = evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (found.key.to_user_string(), day)
            for found in result.results
            for day in result.get_requested_partitions(found.key)
            if found.key.to_user_string()[:3] in ("lb_", "l0_", "l1_", "l2_")
        }

    def settle(self) -> set[tuple[str, str]]:
        """What automation makes until it asks for nothing more."""
        made = set()
        for _ in range(8):
            asked = self.evaluate()
            if not asked:
                return made
            for asset, day in sorted(asked):
                assert (asset, day) not in made, f"{asset} of {day} is made twice"
                self.make(asset, day=day)
            made |= asked
        raise AssertionError("automation does not come to rest")

    def watch(self) -> str:
        """Two ticks of the sensor of inputs: it waits until files stay as they are."""
        sensor = self.definitions.get_repository_def().get_sensor_def("telemetry_inputs")
        message = ""
        for _ in range(2):
            context = build_sensor_context(
                instance=self.instance,
                cursor=self.sensor_cursor,
                resources={"database": self.database, "telemetry": self.telemetry},
            )
            message = str(sensor.evaluate_tick(context).skip_message)
            self.sensor_cursor = context.cursor
        return message

    def materialisations(self, asset: str) -> list[EventLogRecord]:
        """Newest first."""
        return list(self.instance.fetch_materializations(AssetKey(asset), limit=1000).records)

    def metadata(self, asset: str, day: str = DAY) -> dict[str, Any]:
        """Of the newest materialisation of a day."""
        for record in self.materialisations(asset):
            if record.partition_key == day and record.asset_materialization is not None:
                metadata = record.asset_materialization.metadata
                return {
                    name: value if isinstance(value, TableMetadataValue) else value.value
                    for name, value in metadata.items()
                }
        raise AssertionError(f"{asset} of {day} was never made")

    def tree(self) -> dict[str, str]:
        """Digest of every byte of every product file, by path."""
        folder = self.telemetry.folders.products
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("solo_*"))
        }

    def stale(self) -> set[str]:
        """Names of the files that provenance holds for stale."""
        with self.database.transaction() as connection:
            return {file.name for file in stale_files(connection, self.settings.telemetry.versions)}

    def query(self, statement: str) -> list[Any]:
        """Rows of a query."""
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]


@pytest.fixture
def mission(database_url: str, tmp_path: Path, open_inputs: Inputs) -> Iterator[Mission]:
    """Folders of inputs without kernels, an empty packet store, an empty database."""
    folders = InputFolders.write(tmp_path / "inputs", open_inputs)
    folders.write_requests([(1234567, "a flare")])
    settings = Settings(home=tmp_path / "home", telemetry=folders.settings)
    with DagsterInstance.ephemeral() as instance:
        yield Mission(settings, Database(database_url), folders, instance)


@pytest.fixture
def complete(mission: Mission, packet_pool: list[RawPacket]) -> Mission:
    """All products of the pool made, automation at rest."""
    mission.folders.write_kernels(100)
    mission.evaluate()
    mission.receive(packet_pool)
    mission.settle()
    mission.watch()
    assert mission.stale() == set()
    return mission


def names(mission: Mission, level: str) -> set[str]:
    return {path.rsplit("/", 1)[-1] for path in mission.tree() if path.startswith(f"{level}/")}


def test_received_packets_become_products(mission: Mission, packet_pool: list[RawPacket]) -> None:
    """Each asset and day once, in order of levels; nothing is left to do."""
    mission.folders.write_kernels(100)
    assert mission.evaluate() == set()
    mission.receive(packet_pool)
    made = mission.settle()
    families = ("quicklook", "housekeeping", "science", "auxiliary")
    assert {(f"{level}_{family}", DAY) for level in ("l0", "l1") for family in families} <= made
    assert ("l1_quicklook", BEFORE) in made
    assert not [asset for asset, _ in made if asset.startswith("lb_")]
    assert {name.split("_")[2] for name in names(mission, "L1")} >= {
        "stix-ql-lightcurve",
        "stix-ql-spectra",
        "stix-hk-mini",
        "stix-sci-xray-cpd",
        "stix-events-1-33",
    }
    before = mission.tree()
    mission.receive(packet_pool, "again")
    assert mission.settle() == set()
    assert mission.tree() == before
    assert mission.stale() == set()


def test_metadata_tell_of_files_and_show_the_light_curve(complete: Mission) -> None:
    said = complete.metadata("l1_quicklook")
    assert said["files"] == len(said["file list"].records) >= 1
    assert said["problems"] == 0
    assert said["dagster/row_count"] > 50
    assert said["light curve"].startswith("![plot](data:image/png;base64,")


def test_files_and_assets_are_in_provenance(complete: Mission) -> None:
    paths = {row[0] for row in complete.query("SELECT path FROM product_file WHERE superseded_at IS NULL")}
    assert paths == set(complete.tree())
    used = complete.query(
        "SELECT input_asset, input_data_version FROM artefact_input"
        f" WHERE asset = 'l1_quicklook' AND \"partition\" = '{DAY}' ORDER BY 1"
    )
    assert [name for name, _ in used] == [
        "instrument_database",
        "l0_quicklook",
        "lb_quicklook",
        "observation_plan",
        "spice_kernels",
    ]
    for name, version in used:
        event = complete.materialisations(name)
        tags = {
            record.partition_key: (record.asset_materialization.tags or {})["dagster/data_version"]
            for record in reversed(event)
            if record.asset_materialization is not None
        }
        assert tags[DAY] == version, name


def test_day_without_kernels_waits_for_them(mission: Mission, packet_pool: list[RawPacket]) -> None:
    mission.evaluate()
    mission.receive(packet_pool)
    made = mission.settle()
    assert {asset[:2] for asset, _ in made} == {"l0"}
    assert "no file has changed" in mission.watch() or mission.settle() == set()
    mission.folders.write_kernels(100)
    assert "new" in mission.watch()
    later = mission.settle()
    assert {asset[:2] for asset, _ in later} == {"l1", "l2"}
    assert {(f"l1_{family}", DAY) for family in ("quicklook", "housekeeping", "science", "auxiliary")} <= later
    assert names(mission, "L1")


def test_better_kernels_remake_exactly_their_days(complete: Mission) -> None:
    """A clock that is late since the second day: nothing of the first is made again, nor anything of L0."""
    before = complete.tree()
    complete.folders.write_kernels(101, late=0.4, since=datetime.datetime(2021, 1, 17, 6))
    assert "new" in complete.watch()
    assert {record.partition_key for record in complete.materialisations("spice_kernels")[:1]} == {DAY}
    stale = complete.stale()
    made = complete.settle()
    assert {(f"l1_{family}", DAY) for family in ("quicklook", "housekeeping", "science", "auxiliary")} <= made
    assert {asset[:2] for asset, _ in made} <= {"l1", "l2"}
    assert {day for _, day in made} == {DAY}
    assert {name for name in stale if "_LB_" in name or "_L0_" in name} == set()
    changed = {path for path in before if complete.tree().get(path) != before[path]}
    assert {path.rsplit("/", 1)[-1] for path in changed} <= stale
    assert complete.stale() == set()
    assert "no file" in complete.watch()


def test_new_plan_remakes_its_day(complete: Mission) -> None:
    complete.folders.write_plan(1, {"one": ("2021-01-17T10:00:00", "2021-01-17T20:00:00")})
    assert "1 versions were new" in complete.watch()
    assert {day for _, day in complete.settle()} == {DAY}


def test_new_row_of_a_request_remakes_the_answer(complete: Mission) -> None:
    complete.folders.write_requests([(1234567, "a large flare")])
    complete.watch()
    made = complete.settle()
    assert {asset for asset, _ in made} <= {"l0_science", "l1_science"}
    assert ("l0_science", DAY) in made


def test_bump_remakes_one_kind_and_what_follows(complete: Mission) -> None:
    """New files beside the old ones; not a byte of any other file changes."""
    before = complete.tree()
    old = {name for name in names(complete, "L1") if "ql-lightcurve" in name}
    complete.deploy(L1_ql_lightcurve=3)
    stale = complete.stale()
    assert {name for name in stale if "_L1_" in name} == old
    assert not [name for name in stale if "_LB_" in name or "_L0_" in name]
    asked = complete.evaluate()
    assert asked == {("l1_quicklook", BEFORE), ("l1_quicklook", DAY)}
    for asset, day in asked:
        complete.make(asset, day=day)
    followed = complete.settle()
    assert {asset for asset, _ in followed} <= {"l2_quicklook"}
    after = complete.tree()
    assert {path: after[path] for path in before} == before
    added = {path.rsplit("/", 1)[-1] for path in after.keys() - before.keys()}
    assert {name for name in added if "_L1_" in name} == {name.replace("_V02", "_V03") for name in old}
    assert complete.stale() == set()
    current = complete.query("SELECT name FROM product_file WHERE superseded_at IS NULL AND version = 3")
    assert {name for (name,) in current if "_L1_" in name} == {name.replace("_V02", "_V03") for name in old}


def test_levelb_again_changes_nothing(complete: Mission) -> None:
    before = complete.tree()
    path = next(path for path in before if path.startswith("LB/") and "21-6-30" in path)
    (complete.telemetry.folders.products / path).unlink()
    result = (
        complete.make("lb_quicklook", day=DAY) if "664156800" in path else complete.make("lb_quicklook", day=BEFORE)
    )
    assert result.success
    assert set(complete.tree()) == set(before)
    assert complete.settle() == set()


def test_product_that_cannot_be_made_is_a_warning(
    mission: Mission, packet_pool: list[RawPacket], odd_lightcurve: RawPacket
) -> None:
    mission.folders.write_kernels(100)
    mission.evaluate()
    mission.receive([*packet_pool, odd_lightcurve])
    mission.settle()
    result = mission.make("l0_quicklook", day=DAY)
    assert result.success
    evaluation = next(item for item in result.get_asset_check_evaluations() if item.check_name == CHECK)
    assert not evaluation.passed
    assert evaluation.severity.value == "WARN"
    assert "another shape" in str(evaluation.description)
    assert mission.metadata("l0_quicklook")["problems"] == 1
    assert mission.metadata("l0_quicklook")["not made"]


def test_inputs_can_be_looked_at_by_hand(complete: Mission) -> None:
    result = complete.make(*INPUTS, day=DAY)
    assert {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()} == set(INPUTS)
    assert complete.settle() == set()


def test_sensor_tells_nothing_without_settings(mission: Mission) -> None:
    mission.telemetry = Telemetry.of(Settings(home=mission.settings.home))
    assert "not configured" in mission.watch()

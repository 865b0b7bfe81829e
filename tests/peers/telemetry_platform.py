"""All of telemetry in one process: inputs, packet store, archive, database, and an instance of Dagster."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    EventLogRecord,
    ExecuteInProcessResult,
    TableMetadataValue,
    build_sensor_context,
    evaluate_automation_conditions,
)
from dagster_private import instance_in_files
from telemetry_folders import InputFolders

from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.telemetry.reports import look_at_inputs, report_inputs
from broker_assets.build import build_defs
from broker_assets.database.engine import connect
from broker_assets.partitions import known_days, observation_days
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.archive.day_products import asset_name, make_day, stale_files
from broker_assets.telemetry.archive.days import touched_days
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.storing import receive_found

BEFORE, DAY = "2021-01-16", "2021-01-17"
"""The packets of `packet_pool` lie around the midnight between these days."""


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
        with self.telemetry.store() as store, connect(self.database.url) as connection:
            archive = self.telemetry.archive(store)
            received = receive_found(packets, name, store, archive.inputs.databases)
            days = touched_days(store, received.touched)
            found = look_at_inputs(self.telemetry, store, {day for touched in days.values() for day in touched})
            reporter = Reporter(self.instance, self.database, logging.getLogger("platform"))
            reporter.send(report_inputs(reporter, self.database, found))
            for family in sorted(days):
                asset = asset_name("LB", family)
                for day in known_days(days[family])[0]:
                    made = make_day(connection, archive, asset, day)
                    reporter.send(reporter.report([Entry(made.artefact)], partitions=observation_days))

    def make(self, *assets: str, day: str = DAY) -> ExecuteInProcessResult:
        """Materialise assets of a day."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[AssetKey(asset) for asset in assets],
            partition_key=day,
        )

    def evaluate(self) -> set[tuple[str, str]]:
        """One tick of the automation sensor: assets and days asked for."""
        keys = self.definitions.resolve_asset_graph().get_all_asset_keys()
        products = [key for key in keys if key.to_user_string()[:3] in ("lb_", "l0_", "l1_", "l2_")]
        result = evaluate_automation_conditions(
            self.definitions, self.instance, AssetSelection.assets(*products), cursor=self.cursor
        )
        self.cursor = result.cursor
        return {
            (found.key.to_user_string(), day)
            for found in result.results
            for day in result.get_requested_partitions(found.key)
            if day is not None
        }

    def settle(self) -> set[tuple[str, str]]:
        """What automation makes until it asks for nothing more."""
        made: set[tuple[str, str]] = set()
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
    with DagsterInstance.ephemeral() as instance:
        yield _new(tmp_path, Database(database_url), open_inputs, instance)


def _new(folder: Path, database: Database, open_inputs: Inputs, instance: DagsterInstance) -> Mission:
    folders = InputFolders.write(folder / "inputs", open_inputs)
    folders.write_requests([(1234567, "a flare")])
    return Mission(Settings(home=folder / "home", telemetry=folders.settings), database, folders, instance)


@dataclass(frozen=True)
class Settled:
    """A mission at rest, to be copied: making it takes twenty seconds."""

    folder: Path
    """Where every copy lies: paths stand in the database and in the instance."""
    kept: Path
    database: str
    """Name of a database that nobody connects to."""
    folders: InputFolders
    settings: Settings
    cursor: Any
    sensor_cursor: str | None


@pytest.fixture(scope="session")
def settled(
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    open_inputs: Inputs,
    packet_pool: list[RawPacket],
) -> Iterator[Settled]:
    """All products of the pool made, automation at rest."""
    folder = tmp_path_factory.mktemp("settled") / "mission"
    with new_database(migrated_template) as name:
        with _instance(folder) as instance:
            made = _new(folder, Database(postgres.url(name)), open_inputs, instance)
            made.folders.write_kernels(100)
            made.evaluate()
            made.receive(packet_pool)
            made.settle()
            made.watch()
            assert made.stale() == set()
        kept = folder.with_name("kept")
        folder.rename(kept)
        yield Settled(folder, kept, name, made.folders, made.settings, made.cursor, made.sensor_cursor)


@pytest.fixture
def complete(
    settled: Settled, postgres: Any, new_database: Callable[..., AbstractContextManager[str]]
) -> Iterator[Mission]:
    """A copy of the settled mission, for one test."""
    shutil.copytree(settled.kept, settled.folder)
    with new_database(settled.database) as name, _instance(settled.folder) as instance:
        mission = Mission(settled.settings, Database(postgres.url(name)), settled.folders, instance)
        mission.cursor, mission.sensor_cursor = settled.cursor, settled.sensor_cursor
        yield mission
    shutil.rmtree(settled.folder)


def _instance(folder: Path) -> DagsterInstance:
    """Dagster's own records, in files."""
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    return instance_in_files(folder / "dagster")

"""A platform that publishes: a local archive, and folders that stand for the archives to which it delivers."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_products
from dagster import (
    AssetKey,
    AssetSpec,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    in_process_executor,
)

from broker_assets.assets.published_files import (
    ASSET,
    build_published_files,
)
from broker_assets.checks.publication import day_evaluations, day_result
from broker_assets.jobs.publication import build_mirror_job, build_publish_job
from broker_assets.partitions import observation_days
from broker_assets.provenance import product_files
from broker_assets.publication.days import due_days
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings

DAY = "2021-01-16"


class Site:
    """An archive of products, its register, and folders that stand for other archives."""

    def __init__(self, url: str, folder: Path, instance: DagsterInstance) -> None:
        self.database = Database(url)
        self.folder = folder
        self.instance = instance
        self.targets: list[PublicationTarget] = []
        self.add_target("soar")

    def add_target(self, name: str, **options: Any) -> Path:
        """Configure another archive; everything is due at once."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        self.targets.append(PublicationTarget(name=name, url=str(place), waiting_hours=0, **options))
        return place

    @property
    def publisher(self) -> Publisher:
        settings = Settings(home=self.folder / "home", publication=PublicationSettings(targets=self.targets))
        return Publisher.of(settings, Telemetry.of(settings))

    def make(self, path: str, *, day: str = DAY, **options: Any) -> Path:
        """Write a product file and register it, as the assets of levels do."""
        written: Path = small_products.put(self.publisher.folder, path, **options)
        record = product_files.FileRecord.model_validate(
            {
                "path": path, "level": path.split("/")[0], "family": "quicklook", "kind": "ql-lightcurve",
                "version": int(written.name.split("_V")[1][:2]), "day": day, "rows": 60, "start": "", "end": "",
                "digest": hashlib.sha256(written.read_bytes()).hexdigest(), "size": written.stat().st_size,
                "incomplete": True,
            }
        )  # fmt: skip
        with self.database.transaction() as connection:
            product_files.record(connection, [record], run_id="r", code_version="1")
        return written

    @property
    def definitions(self) -> Definitions:
        upstream = ["l0_quicklook", "l1_quicklook"]
        return Definitions(
            assets=[
                *(AssetSpec(name, partitions_def=observation_days) for name in upstream),
                build_published_files(day_result, upstream),
            ],
            jobs=[build_publish_job(day_evaluations, upstream), build_mirror_job()],
            resources={"database": self.database, "publisher": self.publisher},
            executor=in_process_executor,
        )

    def run(self, job: str = "publish_products", *, fails: bool = False) -> ExecuteInProcessResult:
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=not fails
        )
        assert result.success is not fails
        return result

    def materialise(self, day: str = DAY, *, fails: bool = False) -> ExecuteInProcessResult:
        result = self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, partition_key=day, asset_selection=[AssetKey(ASSET)], raise_on_error=False
        )
        assert result.success is not fails
        return result

    def due(self) -> list[str]:
        """Days that a run would look at."""
        with self.database.transaction() as connection:
            now = datetime.datetime.now(datetime.UTC)
            days = due_days(connection, self.publisher.settings, now, self.publisher.folder)
        return [day.isoformat() for day in days]

    def delivered(self, target: str = "soar") -> set[str]:
        return {path.relative_to(self.folder / target).as_posix() for path in (self.folder / target).rglob("*.fits")}

    def told(self) -> list[tuple[str, str]]:
        """Day and data version of each materialisation, oldest first."""
        records = self.instance.fetch_materializations(AssetKey(ASSET), limit=100).records[::-1]
        events = [record.asset_materialization for record in records]
        return [(e.partition or "", (e.tags or {})["dagster/data_version"]) for e in events if e is not None]


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with DagsterInstance.ephemeral() as instance:
        yield Site(database_url, tmp_path, instance)

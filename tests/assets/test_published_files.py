"""Days of published files: delivered once, told to Dagster, held back where a new version looks worse."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    in_process_executor,
)

from broker_assets.assets.published_files import (
    ASSET,
    UPSTREAM,
    build_published_files,
    deliver,
)
from broker_assets.checks.publication import day_evaluations, day_result, receipts_hold
from broker_assets.database.engine import connect
from broker_assets.jobs.publication import build_mirror_job, build_publish_job
from broker_assets.partitions import observation_days
from broker_assets.provenance import product_files
from broker_assets.publication.days import due_days
from broker_assets.publication.questions import agree
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings
from broker_assets.telemetry.archive.day_products import MADE_FROM

pytestmark = pytest.mark.database

DAY = "2021-01-16"
LIGHTCURVE = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
BETTER = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V03U.fits"
DELIVERED = "solo_L1_stix-ql-lightcurve_20210116_V02.fits"


@pytest.fixture(scope="session")
def products() -> ModuleType:
    """Makers of product files; see `tests/publication/product_files.py`."""
    name = "tests_publication_product_files"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "publication" / "product_files.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Site:
    """An archive of products, its register, and folders that stand for other archives."""

    def __init__(self, url: str, folder: Path, instance: DagsterInstance, products: ModuleType) -> None:
        self.database = Database(url)
        self.folder = folder
        self.instance = instance
        self._products = products
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
        written: Path = self._products.put(self.publisher.folder, path, **options)
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


def checks(result: ExecuteInProcessResult) -> dict[str | None, bool]:
    return {evaluation.partition: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


@pytest.fixture
def site(database_url: str, tmp_path: Path, products: ModuleType) -> Iterator[Site]:
    with DagsterInstance.ephemeral() as instance:
        yield Site(database_url, tmp_path, instance, products)


def test_files_of_every_level_but_packets_may_go_out() -> None:
    assert set(UPSTREAM) == {name for name in MADE_FROM if not name.startswith("lb_")}


def test_due_files_are_delivered_once_and_their_days_told(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.make("L1/2021/01/17/QL/solo_L1_stix-ql-lightcurve_20210117_V02U.fits", day="2021-01-17")
    result = site.run()
    assert site.delivered() == {DELIVERED, "solo_L1_stix-ql-lightcurve_20210117_V02.fits"}
    assert checks(result) == {DAY: True, "2021-01-17": True}
    assert [day for day, _ in site.told()] == [DAY, "2021-01-17"]
    assert len({version for _, version in site.told()}) == 2
    before = (site.folder / "soar" / DELIVERED).stat().st_mtime_ns
    assert checks(site.run()) == {}
    assert len(site.told()) == 2
    assert (site.folder / "soar" / DELIVERED).stat().st_mtime_ns == before


def test_job_and_asset_tell_the_same(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.run()
    assert site.materialise().success
    (_, by_job), (_, by_asset) = site.told()
    assert by_job == by_asset


def test_a_worse_version_is_held_back_until_an_operator_agrees(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.run()
    site.make(BETTER, rows=40)
    result = site.run()
    assert checks(result) == {DAY: False}
    (evaluation,) = result.get_asset_check_evaluations()
    assert "40 rows, the delivered file has 60" in (evaluation.description or "")
    assert evaluation.target_materialization_data is not None
    assert site.delivered() == {DELIVERED}
    assert len(site.told()) == 1, "the archive has what it had"
    assert checks(site.materialise(fails=True)) == {DAY: False}
    with connect(site.database.url) as connection:
        agree(connection, Path(BETTER).name, who="operator", why="a shorter day, as planned")
    result = site.run()
    assert checks(result) == {DAY: True}
    assert len(site.delivered()) == 2
    assert site.told()[-1][1] != site.told()[0][1]


def test_an_archive_that_is_away_hinders_no_other(site: Site) -> None:
    site.add_target("esa")
    site.make(LIGHTCURVE)
    (site.folder / "soar").rmdir()
    result = site.run(fails=True)
    assert site.delivered("esa") == {DELIVERED}
    assert [day for day, _ in site.told()] == [DAY]
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    assert error is not None
    assert "soar" in error.message
    assert "the folder does not exist" in error.message
    (site.folder / "soar").mkdir()
    site.run()
    assert site.delivered() == {DELIVERED}
    assert len(site.told()) == 2


def test_what_another_run_delivered_is_told(site: Site) -> None:
    site.make(LIGHTCURVE)
    # As a run that died before it could tell, or the command line.
    deliver(site.database, site.publisher, [datetime.date.fromisoformat(DAY)], "dead")
    assert site.told() == []
    site.run()
    assert [day for day, _ in site.told()] == [DAY]


def test_a_content_that_comes_back_is_not_due_again(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.run()
    site.make(LIGHTCURVE, rows=70)
    assert checks(site.run()) == {DAY: False}
    site.make(LIGHTCURVE)
    assert site.due() == [DAY], "nobody has looked at it yet"
    assert checks(site.run()) == {}
    assert site.due() == []


def test_a_refused_version_is_over(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.run()
    site.make(BETTER, rows=40)
    assert checks(site.run()) == {DAY: False}
    with connect(site.database.url) as connection:
        agree(connection, Path(BETTER).name, who="operator", why="the day was cut", answer="refuse")
    assert checks(site.run()) == {DAY: True}
    assert site.delivered() == {DELIVERED}
    assert site.due() == []


def test_days_without_partition_are_delivered_all_the_same(site: Site) -> None:
    site.make("L1/2019/01/16/QL/solo_L1_stix-ql-lightcurve_20190116_V02U.fits", day="2019-01-16")
    site.run()
    assert site.delivered() == {"solo_L1_stix-ql-lightcurve_20190116_V02.fits"}
    assert site.told() == []


def test_versions_of_inputs_are_noted(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.instance.report_runless_asset_event(
        AssetMaterialization("l1_quicklook", partition=DAY, tags={"dagster/data_version": "abc"})
    )
    site.run()
    (record,) = site.instance.fetch_materializations(AssetKey(ASSET), limit=1).records
    assert record.asset_materialization is not None
    tags = record.asset_materialization.tags or {}
    assert tags["dagster/input_data_version/l1_quicklook"] == "abc"
    assert int(tags["dagster/input_event_pointer/l1_quicklook"]) > 0


def test_copies_of_the_archive_follow(site: Site) -> None:
    site.add_target("mirror", mirror=True)
    site.make(LIGHTCURVE)
    site.run()
    assert site.delivered("mirror") == {LIGHTCURVE}
    site.make(LIGHTCURVE, rows=70)
    site.run()
    ours = (site.publisher.folder / LIGHTCURVE).read_bytes()
    assert (site.folder / "mirror" / LIGHTCURVE).read_bytes() == ours
    (site.folder / "mirror" / LIGHTCURVE).unlink()
    site.run()
    assert site.delivered("mirror") == set(), "nothing is new"
    site.run("sync_mirrors")
    assert site.delivered("mirror") == {LIGHTCURVE}


def test_receipts_are_read_back(site: Site) -> None:
    assert receipts_hold(site.database, site.publisher, seed="1").passed
    site.make(LIGHTCURVE)
    site.run()
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert found.passed
    assert found.metadata["files read back"] == 1
    far = site.folder / "soar" / DELIVERED
    content = far.read_bytes()
    far.write_bytes(content[:-1] + b"x")
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert (found.passed, found.severity.value) == (False, "ERROR")
    assert f"{DELIVERED} at soar differs from what was delivered" in found.description
    far.unlink()
    assert "is no longer at soar" in receipts_hold(site.database, site.publisher, seed="1").description
    (site.folder / "soar").rmdir()
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert (found.passed, found.severity.value) == (False, "WARN")
    assert "the folder does not exist" in found.description

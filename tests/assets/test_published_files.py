"""Days of published files: delivered once, told to Dagster, held back where a new version looks worse."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    ExecuteInProcessResult,
)
from published_site import Site, site

from broker_assets.assets.published_files import (
    ASSET,
    LATE,
    UPSTREAM,
    deliver,
)
from broker_assets.build import publication
from broker_assets.database.engine import connect
from broker_assets.publication.questions import agree
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings
from broker_assets.telemetry.archive.day_products import MADE_FROM

__all__ = ["site"]

pytestmark = pytest.mark.database

DAY = "2021-01-16"
LIGHTCURVE = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
BETTER = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V03U.fits"
DELIVERED = "solo_L1_stix-ql-lightcurve_20210116_V02.fits"


def checks(result: ExecuteInProcessResult) -> dict[str | None, bool]:
    return {evaluation.partition: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def test_files_of_every_level_but_packets_may_go_out() -> None:
    assert set(UPSTREAM) == {name for name in MADE_FROM if not name.startswith("lb_")}


@pytest.mark.parametrize(("mirror", "promised"), [(None, False), (True, False), (False, True)])
def test_publication_is_promised_where_there_is_an_archive(mirror: bool | None, promised: bool) -> None:
    targets = [] if mirror is None else [PublicationTarget(name="soar", url="file:///soar", mirror=mirror)]
    definitions = publication.definitions(Settings(publication=PublicationSettings(targets=targets)))
    (policy,) = [
        spec.freshness_policy
        for node in definitions.assets or []
        if isinstance(node, AssetsDefinition)
        for spec in node.specs
    ]
    assert policy == (LATE if promised else None)


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

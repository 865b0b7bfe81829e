"""What a drain run reports: each night with new content once, also nights of runs that died before they could."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from platform_in_process import platform, survey

from broker_assets.assets.alerts.reports import artefacts, code_version, fact_entries, shown_inputs, unreported_nights
from broker_assets.assets.reporter import ADDS_TAG, Reporter
from broker_assets.context.comparison import compare
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.store import CatalogueStore
from broker_assets.database.alerts import NightCounts
from broker_assets.database.engine import connect
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.packets.archive import FORMAT_VERSION
from broker_assets.provenance import versions
from broker_assets.stream.commit import CODE_VERSION
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database
NIGHT = "2025-11-20"


def test_code_versions() -> None:
    assert code_version(ARCHIVE_ASSET) == FORMAT_VERSION
    assert {code_version(asset) for asset in ROW_ASSETS} == {CODE_VERSION}


def test_provenance_of_a_night(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=5, visits=2).packets()))
    platform.drain()
    plan = enrichment_plan(platform.settings)
    with platform.database.transaction() as connection:
        assert unreported_nights(connection) == []
        current = data_versions(connection, [NIGHT])
        found = artefacts(connection, plan, [NIGHT, NIGHT], current, run_id="r", ingestid=1)
        recorded = versions.recorded(connection, [(item.asset, item.partition) for item in found])
    assert [item.asset for item in found[:4]] == [ARCHIVE_ASSET, *ROW_ASSETS]
    assert len({item.asset for item in found}) == len(found), "each asset once, although the night was given twice"
    place = {item.asset: number for number, item in enumerate(found)}
    for item in found:
        of_nights = [use for use in item.inputs if use.partition]
        assert all(place[use.asset] < place[item.asset] for use in of_nights), "parents come first"
        assert recorded[item.asset, NIGHT].data_version == item.data_version, "as the run reported it"
    assert [use.asset for use in found[1].inputs] == [ARCHIVE_ASSET]

    # a run that died before it could report: its batch is in the ledger, and provenance does not know the night
    with platform.database.transaction() as connection:
        for asset in (ARCHIVE_ASSET, *ROW_ASSETS):
            versions.forget(connection, asset, NIGHT)
        assert unreported_nights(connection) == [NIGHT]
    before = len(platform.materialisations("sources"))
    platform.drain()
    newest = platform.materialisations("sources")
    assert len(newest) == before + 1
    event = newest[0].asset_materialization
    assert event.description == "found in the ledger; the run that wrote it ended before it could report"
    assert event.partition == NIGHT
    with platform.database.transaction() as connection:
        assert unreported_nights(connection) == []


def test_indices_are_shown_and_make_no_night_stale(platform: Any) -> None:
    plan = enrichment_plan(platform.settings)
    shown = shown_inputs(plan)
    assert set(shown) == {table.asset for _, table in plan.facts}
    assert all(use.asset in ("cone_index", "area_index") for uses in shown.values() for use in uses)


def test_facts_of_a_rebuilt_night(platform: Any) -> None:
    entries = [versions.Artefact(asset=name, partition=NIGHT, data_version="v") for name in ("sources", "area_facts")]
    counts = NightCounts()
    counts.facts["area_facts"] = 7
    plan = enrichment_plan(platform.settings).chosen(["area_facts", "watchlist_facts"])
    [entry] = fact_entries(platform.database, plan, entries, counts)
    assert callable(entry.metadata)
    assert (entry.key, entry.metadata()) == (("area_facts", NIGHT), {"dagster/row_count": 7})
    reporter = Reporter(platform.instance, platform.database, logging.getLogger("reports"), run_id="r")
    assert reporter.send(reporter.report([entry])) == 1


def _stale(platform: Any) -> dict[str, set[str]]:
    """Assets that are stale, with their nights."""
    found: dict[str, set[str]] = {}
    with platform.database.transaction() as connection:
        for item in versions.stale(connection):
            found.setdefault(item.asset, set()).add(item.partition)
    return found


def _flat_map(path: Path) -> Path:
    """A dust map of one value."""
    table = fits.BinTableHDU.from_columns([fits.Column("EBV", "E", array=np.full(12, 0.5))])
    table.header["ORDERING"] = "NESTED"
    table.writeto(path)
    return path


def test_another_dust_map_makes_features_stale_and_nothing_else(
    platform: Any, survey: Callable[..., Any], tmp_path: Path
) -> None:
    platform.append(list(survey(objects=3, visits=4).packets()))
    platform.drain()
    nights = set(platform.versions("object_features"))
    assert len(nights) == 2
    [shown] = [item.asset_materialization.metadata for item in platform.materialisations("dust_map")]
    assert shown["pixel (arcmin)"].value == 55.0
    assert shown["plot"].value.startswith("![plot](data:image/png")
    of_features = platform.materialisations("object_features")[0].asset_materialization.metadata
    assert of_features["plot"].value.startswith("![plot](data:image/png")
    assert of_features["share with jump1"].value == 1.0
    assert _stale(platform) == {}

    platform.settings.features.dust_map = [_flat_map(tmp_path / "flat.fits")]
    platform.reload()
    assert platform.make("dust_map").success
    assert _stale(platform) == dict.fromkeys(("object_features", "class_scores", "filter_matches"), nights)
    before = platform.versions("sources")
    for night in nights:
        # Matches and scores are made from features: these are rebuilt with them, and reported.
        assert platform.make("filter_matches", night=night).success
    assert _stale(platform) == {}
    assert platform.query("SELECT DISTINCT ebv FROM object_features UNION SELECT DISTINCT ebv FROM objects") == [(0.5,)]
    assert platform.versions("sources") == before


def test_new_code_makes_features_stale_and_nothing_else(
    platform: Any, survey: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    monkeypatch.setattr("broker_assets.lightcurves.object_features.FEATURES_VERSION", "jump 2")
    platform.reload()
    with platform.database.transaction() as connection:
        versions.deploy(connection, {"object_features": enrichment_plan(platform.settings).enrichments[2].version})
    assert _stale(platform) == {key: {NIGHT} for key in ("object_features", "class_scores", "filter_matches")}
    assert platform.make("object_features", night=NIGHT).success
    assert _stale(platform) == {}


def test_alerts_that_are_added_do_not_renew_the_rows_of_earlier_code(platform: Any, survey: Callable[..., Any]) -> None:
    """A deployment in the middle of a night: what was stored before it is stale until it is reprocessed."""
    packets = list(survey(objects=4, visits=1).packets())
    platform.append(packets[:2])
    platform.drain()
    platform.execute("UPDATE ingest_batch SET code_version = 'ingest 1, decoder 0'")
    platform.execute(f"UPDATE artefact SET code_version = 'ingest 1, decoder 0' WHERE asset IN {ROW_ASSETS}")
    with platform.database.transaction() as connection:
        versions.deploy(connection, dict.fromkeys(ROW_ASSETS, CODE_VERSION))

    def stale_rows() -> dict[str, str]:
        with platform.database.transaction() as connection:
            return {item.asset: item.reason for item in versions.stale(connection) if item.asset in ROW_ASSETS}

    before = stale_rows()
    assert set(before) == set(ROW_ASSETS)
    platform.append(packets[2:])
    platform.drain()
    assert stale_rows() == before
    newest = platform.materialisations("sources")[0].asset_materialization
    assert newest.tags[ADDS_TAG]
    assert newest.tags["dagster/code_version"] == f"ingest 1, decoder 0, {CODE_VERSION}"

    assert platform.make(*ROW_ASSETS, night=NIGHT).success
    assert stale_rows() == {}
    assert ADDS_TAG not in platform.materialisations("sources")[0].asset_materialization.tags


def test_a_changed_catalogue_makes_marked_nights_stale_until_they_are_rebuilt(
    platform: Any, survey: Callable[..., Any], tmp_path: Path
) -> None:
    """Also where features are rebuilt first, which computes associations with them."""
    store = CatalogueStore(platform.settings.catalogue_folder)
    (tmp_path / "vsx.csv").write_text("identifier,ra,dec\nfar,0.5,89.0\n")
    store.add("vsx", tmp_path / "vsx.csv")
    in_force = CataloguesInForce(platform.settings.catalogue_folder)
    readers = enrichment_plan(platform.settings).readers("context_matches")

    def compared() -> None:
        with connect(platform.database.url, autocommit=True) as connection:
            compare(connection, in_force, readers=readers)

    compared()
    platform.append(list(survey(objects=3, visits=1).packets()))
    platform.drain()
    compared()
    assert _stale(platform) == {}
    ((ra, dec),) = platform.query("SELECT ra, decl FROM objects ORDER BY diaobjectid LIMIT 1")
    (tmp_path / "vsx.csv").write_text(f"identifier,ra,dec\nfar,0.5,89.0\nnear,{ra},{dec}\n")
    store.add("vsx", tmp_path / "vsx.csv")
    compared()
    assert _stale(platform) == {asset: {NIGHT} for asset in ("context_matches", *readers)}
    for asset in ("object_features", *(name for name in readers if name != "object_features")):
        assert platform.make(asset, night=NIGHT).success
    assert _stale(platform) == {}
    found = platform.query("SELECT classification, count(*) FROM sherlock_classifications GROUP BY 1 ORDER BY 1")
    assert dict(found)["VS"] >= 1

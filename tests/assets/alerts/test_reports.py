"""What a drain run reports: each night with new content once, also nights of runs that died before they could."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from platform_in_process import platform, survey

from broker_assets.assets.alerts.reports import artefacts, code_version, fact_entries, shown_inputs, unreported_nights
from broker_assets.assets.reporter import Reporter
from broker_assets.database.alerts import NightCounts
from broker_assets.packets.archive import FORMAT_VERSION
from broker_assets.provenance import versions
from broker_assets.stream.commit import CODE_VERSION
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions
from broker_assets.stream.enrichments import enrichment_plan

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
        assert all(place[use.asset] < place[item.asset] for use in item.inputs), "parents come first"
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
    [entry] = fact_entries(entries, ["area_facts", "watchlist_facts"], counts)
    assert (entry.key, entry.metadata) == (("area_facts", NIGHT), {"dagster/row_count": 7})
    reporter = Reporter(platform.instance, platform.database, logging.getLogger("reports"), run_id="r")
    assert reporter.send(reporter.report([entry])) == 1

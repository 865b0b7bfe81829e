"""The table of TNS, and the files for other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from dagster import (
    AssetKey,
    RunRequest,
    SkipReason,
    evaluate_automation_conditions,
)
from followed_lists import add_objects, tick

from broker_assets.build import build_defs
from broker_assets.resources.object_store import ObjectStore
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    with tns.TnsPeer() as peer:
        yield peer


def test_tns(platform: Any, tns: ModuleType, peer: Any, follow: Callable[[], list[str]]) -> None:
    skipped = tick(platform, "tns_cadence")
    assert "BROKER_TNS__KEY" in skipped.skip_message
    platform.settings = platform.settings.model_copy(
        update={
            "tns": type(platform.settings.tns)(
                key=tns.KEY,
                bot_id=tns.BOT_ID,
                bot_name=tns.BOT_NAME,
                bulk_url=peer.bulk_url,
                search_url=peer.search_url,
            )
        }
    )
    platform.definitions = build_defs(
        settings=platform.settings, resource_overrides={"database": platform.database, "kafka": platform.kafka}
    )
    add_objects(platform, [(10.0, 10.0)])
    rows = [tns.tns_row(n, f"2026{n}", 10.0 * n, 10.0) for n in range(1, 6)]
    peer.put("tns_public_objects.csv.zip", rows)
    request = tick(platform, "tns_cadence")
    assert isinstance(request, RunRequest)
    assert request.tags["broker/tns"].startswith("full")
    before = evaluate_automation_conditions(platform.definitions, platform.instance)
    result = platform.run("fetch_tns", tags=dict(request.tags))
    # the files of other nodes follow the table
    after = evaluate_automation_conditions(platform.definitions, platform.instance, cursor=before.cursor)
    assert [partial.key for partial in after.results if partial.true_subset.size] == [AssetKey("tns_snapshot")]
    platform.make("tns_snapshot")
    folder = ObjectStore.of(platform.settings).path("snapshots", "crossmatch_tns")
    [version] = platform.versions("tns_snapshot").values()
    published, files = read_published(folder)
    assert published == version
    assert files["crossmatch_tns.csv"].count(b"\n") == 6
    assert platform.query("SELECT input_asset FROM artefact_input WHERE asset = 'tns_snapshot'") == [
        ("crossmatch_tns",)
    ]
    # the table was made from the files, which the run has observed
    [seen] = platform.instance.fetch_observations(AssetKey("tns_bulk_files"), limit=10).records
    assert seen.asset_observation is not None
    files = (seen.asset_observation.tags or {})["dagster/data_version"]
    [made] = platform.materialisations("crossmatch_tns")
    assert made.asset_materialization.tags["dagster/input_data_version/tns_bulk_files"] == files
    assert platform.query(
        "SELECT input_asset, input_data_version FROM artefact_input WHERE asset = 'crossmatch_tns'"
    ) == [("tns_bulk_files", files)]
    checks = platform.checks(result)
    assert checks["crossmatch_tns", "complete", ""]
    first = platform.versions("crossmatch_tns")
    done = follow()
    assert done[0] == "match_lists"
    assert platform.query("SELECT tns_name FROM objects") == [("20261",)]
    # what is not there yet is not asked for at every tick
    assert isinstance(tick(platform, "tns_cadence"), SkipReason)

    # an unchanged file makes nothing stale
    cones = platform.versions("cone_index")
    platform.run("fetch_tns", run_config={"ops": {"crossmatch_tns": {"config": {"full": True}}}})
    assert platform.versions("crossmatch_tns") == first
    assert len(platform.instance.fetch_observations(AssetKey("tns_bulk_files"), limit=10).records) == 1
    assert follow() == []
    assert platform.versions("cone_index") == cones

    # somebody else changed the table
    platform.execute("UPDATE crossmatch_tns SET z = 1 WHERE tns_name = '20261'")
    peer.files.clear()
    checks = platform.checks(platform.run("fetch_tns"))
    assert not checks["crossmatch_tns", "complete", ""]

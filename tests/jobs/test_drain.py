"""A drain run, seen through Dagster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterEventType
from dagster_private import CachingStaleStatusResolver, LoadingContextForTest

from broker_assets.assets.alerts.streams import stream_key

pytestmark = pytest.mark.database

FIRST, SECOND = "2025-11-20", "2025-11-21"
ROWS = ("sources", "forced_sources", "objects")
FACTS = (
    *("watchlist_facts", "area_facts", "sky_map_facts", "context_matches", "object_features", "class_scores"),
    "filter_matches",
)
INPUTS = ("context_rules", "dust_map", "active_classifiers")


def test_one_materialisation_per_asset_and_night(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=20, visits=4).packets()))
    result = platform.drain()
    assert result.success
    for asset in ("packet_archive", "sources", "forced_sources", "objects"):
        events = [record.asset_materialization for record in platform.materialisations(asset)]
        assert sorted(event.partition for event in events) == [FIRST, SECOND]
        assert {event.tags["dagster/data_version"] for event in events} == set(platform.versions(asset).values())
        assert all(event.tags["dagster/code_version"] for event in events)
    assert platform.query("SELECT count(*) FROM diasources") == [(80,)]
    assert platform.kafka.mirrored == {0: 80}


def test_metadata(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append([*survey(objects=20, visits=2).packets(), b"poison"])
    platform.drain()
    metadata = platform.materialisations("sources")[0].asset_materialization.metadata
    values = {name: value.value for name, value in metadata.items()}
    assert (values["received"], values["quarantined"], values["alerts stored"], values["rows written"]) == (
        41,
        1,
        40,
        40,
    )
    assert values["offsets"] == "0: 0-40"
    assert values["lag"] == 0
    assert values["messages per second"] > 0
    assert {"latency p50 (s)", "latency p90 (s)", "latency p99 (s)"} <= values.keys()
    assert values["rate"].startswith("![plot](data:image/png;base64,")
    assert len(values["rate"]) < 50_000


def test_live_checks_are_evaluated_in_the_run(platform: Any, survey: Callable[..., Any], packets: ModuleType) -> None:
    odd = packets.alert(99, [(0, packets.FIRST_MJD)])
    odd["diaSource"]["reliability"] = 7.0  # a probability
    platform.append([*survey(objects=5, visits=4).packets(), packets.encode(odd)])
    checks = platform.checks(platform.drain())
    assert all(passed for (_, name, _), passed in checks.items() if not name.endswith("_in_range"))
    assert not checks["sources", "columns_in_range", FIRST]
    assert not checks["object_features", "features_in_range", FIRST]
    assert checks["sources", "columns_in_range", SECOND]
    stream = stream_key("rubin-alerts").to_user_string()
    for night in (FIRST, SECOND):
        for asset, name in [
            ("sources", "ledger_balances"),
            ("sources", "columns_in_range"),
            ("forced_sources", "columns_in_range"),
            ("packet_archive", "archive_is_complete"),
        ]:
            assert (asset, name, night) in checks
    assert {name for asset, name, _ in checks if asset == stream} == {
        "batches_balance",
        "offsets_are_contiguous",
        "quarantine_share",
    }


def test_failed_check_does_not_stop_the_stream(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=10, visits=1).packets())
    platform.append(packets[:5])
    platform.drain()
    platform.execute("DELETE FROM diasources WHERE diaobjectid = 1")
    platform.append(packets[5:])
    result = platform.drain()
    assert result.success
    assert platform.checks(result)["sources", "ledger_balances", FIRST] is False
    assert platform.query("SELECT count(*) FROM ingest_batch WHERE kind = 'stream'")[0][0] >= 2


def test_empty_stream_reports_nothing(platform: Any) -> None:
    result = platform.drain()
    assert result.success
    assert platform.materialisations("sources") == []
    assert platform.checks(result) == {}


def test_second_run_of_the_same_partitions_ends_cleanly(platform: Any, survey: Callable[..., Any]) -> None:
    from broker_assets.accounting import ledger
    from broker_assets.database.engine import connect

    platform.append(list(survey(objects=5, visits=1).packets()))
    with (
        connect(platform.database.url, autocommit=True) as other,
        ledger.lock_partitions(other, "rubin-alerts", [0]),
    ):
        assert platform.drain().success
    assert platform.query("SELECT count(*) FROM ingest_batch") == [(0,)]
    assert platform.materialisations("sources") == []


def test_more_alerts_make_a_new_version_of_their_night_only(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=10, visits=4).packets())
    platform.append(packets[:35])
    platform.drain()
    before = platform.versions("sources")
    platform.append(packets[35:])
    platform.drain()
    after = platform.versions("sources")
    assert after[FIRST] == before[FIRST]
    assert after[SECOND] != before[SECOND]


def test_nights_of_a_run_that_died_are_reported_by_the_next(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=10, visits=4).packets())
    platform.append(packets[:20])
    platform.execute("ALTER TABLE artefact RENAME TO hidden")
    assert not platform.drain(raise_on_error=False).success
    platform.execute("ALTER TABLE hidden RENAME TO artefact")
    assert platform.query("SELECT sum(received) FROM ingest_batch") == [(20,)]
    assert platform.materialisations("sources") == []
    platform.append(packets[20:])
    platform.drain()
    assert set(platform.versions("sources")) == {FIRST, SECOND}
    (old,) = [
        record.asset_materialization
        for record in platform.materialisations("sources")
        if record.asset_materialization.partition == FIRST
    ]
    assert "ended before it could report" in old.metadata["note"].value


def test_provenance_says_the_same_as_dagster(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=10, visits=4).packets()))
    result = platform.drain()
    recorded = platform.query('SELECT asset, "partition", data_version, run_id FROM artefact')
    assert {(asset, night): version for asset, night, version, _ in recorded} == {
        (asset, night): version
        for asset in ("packet_archive", *ROWS, *FACTS, *INPUTS)
        for night, version in platform.versions(asset).items()
    }
    assert {run_id for *_, run_id in recorded} == {result.run_id}
    # rows of each night are made from its archive, and facts from its objects; no index is an input
    assert platform.query("SELECT input_asset, count(*) FROM artefact_input GROUP BY 1 ORDER BY 1") == [
        ("active_classifiers", 2),
        ("area_facts", 2),
        ("class_scores", 2),
        ("context_matches", 6),
        ("dust_map", 2),
        ("object_features", 4),
        ("objects", 14),
        ("packet_archive", 6),
        ("sky_map_facts", 2),
        ("watchlist_facts", 2),
    ]


def test_nights_beyond_the_calendar_are_stored_and_told(platform: Any, packets: Any) -> None:
    platform.append([packets.encode(packets.alert(1, [(0, 99_000.5)]))])
    result = platform.drain()
    assert result.success
    assert platform.query("SELECT count(*) FROM diasources") == [(1,)]
    assert platform.materialisations("sources") == []


def test_run_that_is_terminated_ends_between_batches(platform: Any, survey: Callable[..., Any]) -> None:
    platform.settings.drain.idle_seconds = 120.0
    platform.reload()
    platform.append(list(survey(objects=5, visits=1).packets()))

    def terminate() -> None:
        deadline = time.monotonic() + 60
        while platform.query("SELECT count(*) FROM ingest_batch") != [(1,)] and time.monotonic() < deadline:
            time.sleep(0.1)
        (run,) = platform.instance.get_runs()
        platform.instance.report_run_canceling(run)

    operator = threading.Thread(target=terminate)
    operator.start()
    began = time.monotonic()
    platform.drain(raise_on_error=False)
    operator.join()
    assert time.monotonic() - began < 60, "the run did not wait for the end of its idle time"
    assert platform.versions("sources").keys() == {FIRST}


def test_events_of_a_run_do_not_grow_with_its_alerts(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=100, visits=2).packets()))
    result = platform.drain()
    events = platform.instance.get_records_for_run(result.run_id, limit=10_000).records
    assert len(events) < 60
    kinds = [record.event_log_entry.dagster_event_type for record in events]
    assert kinds.count(DagsterEventType.ASSET_MATERIALIZATION) == len(["packet_archive", *ROWS, *FACTS, *INPUTS])
    assert AssetKey("sources") in platform.instance.all_asset_keys()


def test_rows_are_not_stale_until_the_archive_changes(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=5, visits=2).packets())
    platform.append(packets)
    platform.drain()

    def status(asset: str) -> str:
        graph = platform.definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(platform.instance, graph, LoadingContextForTest(platform.instance))
        return resolver.get_status(AssetKey(asset), FIRST).value

    assert status("sources") == "FRESH"
    platform.make("packet_archive", night=FIRST)
    assert status("sources") == "FRESH", "verified, and the same as before"
    event = AssetMaterialization("packet_archive", partition=FIRST, tags={"dagster/data_version": "other"})
    platform.instance.report_runless_asset_event(event)
    assert status("sources") == "STALE"

"""The check that says what is stale of an asset."""

from __future__ import annotations

from typing import Any

from dagster import AssetCheckSeverity

from broker_assets.checks.up_to_date import evaluations, verdict
from broker_assets.database.engine import transaction
from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import StaleGroup, note_automation
from broker_assets.stream.commit import CODE_VERSION

NIGHTS = ("2025-11-20", "2025-11-21")


def test_a_verdict_says_what_why_and_who_mends_it() -> None:
    passed = verdict((), "nobody asks")
    assert (passed.passed, passed.description) == (True, "everything is up to date")
    failed = verdict([StaleGroup(asset="sources", reason="decoder 1 → 2", count=2, partitions=NIGHTS)], "At work")
    assert (failed.passed, failed.severity) == (False, AssetCheckSeverity.WARN)
    assert failed.description == "2 partitions are stale: decoder 1 → 2 (2025-11-20, 2025-11-21). At work"
    assert failed.metadata["stale"] == 2


def test_evaluations_are_of_the_asset_as_a_whole() -> None:
    groups = [StaleGroup(asset="sources", reason="decoder 1 → 2", count=2, partitions=NIGHTS)]
    found = list(evaluations(["objects", "sources"], groups, {"sources": "At work"}))
    assert [(item.asset_key.to_user_string(), item.passed, item.partition) for item in found] == [
        ("objects", True, None),
        ("sources", False, None),
    ]


def test_a_run_that_makes_an_asset_evaluates_its_check(drained: Any) -> None:
    """With the nights that are still stale, and what automation does."""
    url = drained.database.url
    with transaction(url) as connection:
        versions.deploy(connection, {"sources": CODE_VERSION, "objects": CODE_VERSION, "forced_sources": CODE_VERSION})
        connection.execute("UPDATE artefact SET code_version = 'ingest 1, decoder 1' WHERE asset = 'sources'")
        note_automation(connection, {"sources": "Not automatic"})
    result = drained.make("sources", "forced_sources", "objects", night=NIGHTS[0])
    said = {
        item.asset_key.to_user_string(): item
        for item in result.get_asset_check_evaluations()
        if item.check_name == "up_to_date"
    }
    assert {asset: item.passed for asset, item in said.items()} == {
        "sources": False,
        "forced_sources": True,
        "objects": True,
    }
    assert said["sources"].description.startswith("1 partition is stale: ")
    assert said["sources"].description.endswith("(2025-11-21). Not automatic")
    assert "decoder 1 → " in said["sources"].description

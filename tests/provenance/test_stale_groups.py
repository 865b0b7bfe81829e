"""Thousands of stale artefacts in a few lines, and what automation does about them."""

from __future__ import annotations

from typing import Any, Literal

import psycopg
import pytest

from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import (
    SHOWN_PARTITIONS,
    automation_notes,
    described,
    note_automation,
    stale_groups,
)
from broker_assets.provenance.versions import Stale


def stale(
    asset: str, partition: str, reason: str, cause: Literal["code", "input", "missing", "upstream"] = "code"
) -> Stale:
    return Stale(asset=asset, partition=partition, cause=cause, reason=reason, depth=0)


def test_partitions_with_the_same_reason_are_together() -> None:
    nights = [f"2025-{month:02d}-{day:02d}" for month in (10, 11, 12, 9, 8) for day in range(1, 29)]
    groups = stale_groups(
        [
            *(stale("sources", night, "decoder 1 → 2") for night in nights),
            *(stale("objects", night, f"input archive of {night} a{night[-2:]} → b", "input") for night in nights[:2]),
            stale("hits", nights[0], f"input objects of {nights[0]} is stale", "upstream"),
            stale("cone_index", "", "code 1 → 2"),
        ]
    )
    assert [(group.asset, group.reason, group.count) for group in groups] == [
        ("sources", "decoder 1 → 2", len(nights)),
        ("objects", "input archive has changed", 2),
        ("hits", "input objects is stale", 1),
        ("cone_index", "code 1 → 2", 1),
    ]
    assert groups[0].partitions == tuple(sorted(nights)[:SHOWN_PARTITIONS])
    assert groups[3].partitions == ()
    assert described(groups[:1]) == ("140 partitions are stale: decoder 1 → 2 (2025-08-01, 2025-08-02, 2025-08-03, …)")
    assert described(groups[2:3]) == "1 partition is stale: input objects is stale (2025-10-01)"


@pytest.mark.database
def test_notes_of_automation_are_those_of_the_last_look(connection: psycopg.Connection[Any]) -> None:
    versions.deploy(connection, {"a": "1", "b": "1"})
    note_automation(connection, {"a": "at work", "unknown": "nothing"})
    assert automation_notes(connection) == {"a": "at work"}
    note_automation(connection, {"b": "waits"})
    assert automation_notes(connection) == {"b": "waits"}
    note_automation(connection, {})
    assert automation_notes(connection) == {}

"""`broker-assets reprocess`; that it rebuilds what the stream made is shown in `test_cli`."""

from __future__ import annotations

import pytest

from broker_assets.commands.reprocess import parse_nights, stale_partitions
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.provenance.versions import Stale
from broker_assets.settings import Settings

NIGHTS = ("2025-10-01", "2025-10-02")


@pytest.mark.parametrize("text", ["2025-13-01", "x", "2025-10-02..2025-10-01", ""])
def test_wrong_nights_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"night|ends before"):
        parse_nights(text)


def stale(asset: str, partition: str) -> Stale:
    return Stale(asset=asset, partition=partition, cause="code", reason="decoder 1 → 2", depth=0)


PLAN = enrichment_plan(Settings())
FACTS = sorted(table.asset for _, table in PLAN.facts)


def test_stale_partitions_are_exactly_those_with_what_is_made_together() -> None:
    found = [stale("sources", "2025-10-01"), stale("l1_quicklook", "2025-10-05"), stale("cone_index", "")]
    assert stale_partitions(found, PLAN) == {
        "sources": {"2025-10-01"},
        "forced_sources": {"2025-10-01"},
        "objects": {"2025-10-01"},
        "l1_quicklook": {"2025-10-05"},
        "cone_index": set(),
    }
    assert stale_partitions(found, PLAN, assets=["l1_quicklook"]) == {"l1_quicklook": {"2025-10-05"}}
    assert stale_partitions(found, PLAN, keys={"2025-10-05"}) == {"l1_quicklook": {"2025-10-05"}}
    assert stale_partitions([], PLAN) == {}


def test_facts_are_not_rebuilt_twice() -> None:
    found = [stale("objects", "2025-10-01"), *(stale(name, night) for name in FACTS for night in NIGHTS)]
    chosen = stale_partitions(found, PLAN)
    assert {name: chosen[name] for name in FACTS} == {name: {"2025-10-02"} for name in FACTS}
    assert chosen["objects"] == {"2025-10-01"}
    assert not set(FACTS) & stale_partitions([*found[:1], stale(FACTS[0], "2025-10-01")], PLAN).keys()

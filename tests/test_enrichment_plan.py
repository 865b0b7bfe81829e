"""The enrichments that the platform has."""

from __future__ import annotations

from pathlib import Path

from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.settings import Settings


def test_the_plan_names_its_facts_and_each_call_makes_its_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    plan = enrichment_plan(settings)
    assert {table.asset for _, table in plan.facts} >= {"watchlist_facts", "area_facts", "sky_map_facts"}
    assert all(enrichment.version for enrichment in plan.enrichments)
    again = enrichment_plan(settings)
    assert [item.name for item in again.enrichments] == [item.name for item in plan.enrichments]
    assert not {id(item) for item in again.enrichments} & {id(item) for item in plan.enrichments}

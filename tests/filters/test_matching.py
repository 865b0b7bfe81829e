"""The enrichment by itself; `stream/test_filter_matches` runs it over the stream."""

from __future__ import annotations

from broker_assets.filters.batch_tables import READS
from broker_assets.filters.matching import ASSET, FILTERS, FilterMatches
from broker_assets.sky.in_force import AREA_MATCHES, CONE_MATCHES, SKY_MAP_MATCHES, Matches


def test_filters_never_make_facts_of_the_past_stale() -> None:
    nothing = Matches(CONE_MATCHES.empty_table(), AREA_MATCHES.empty_table(), SKY_MAP_MATCHES.empty_table())
    filters = FilterMatches(lambda *_: nothing)
    [table] = filters.facts
    assert (table.asset, table.parents, table.inputs) == (ASSET, (FILTERS,), ())
    assert filters.inputs() == {}
    assert set(filters.reads) == set(READS)
    assert filters.version
    assert filters.sandbox.starts == 0  # without a filter there is no process

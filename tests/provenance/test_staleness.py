"""Everything that descends from what changed, and nothing else, in an order that rebuilds each once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.provenance.staleness import stale_query

pytestmark = pytest.mark.database

NODES = 8
# A parent has a smaller number than its child, so that there is no circle.
EDGES = st.sets(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda edge: edge[0] < edge[1]))
CHANGED = st.sets(st.integers(0, NODES - 1), max_size=3)

QUERY = "WITH RECURSIVE " + stale_query(
    "SELECT 'node', key, 'code', 'code of ' || key FROM unnest(%(changed)s::text[]) AS given (key)",
    "SELECT 'node', child, 'node', parent, 'parent ' || parent"
    " FROM unnest(%(children)s::text[], %(parents)s::text[]) AS given (child, parent)",
    "SELECT kind, key::int, cause, reason, depth FROM listed ORDER BY depth, key",
)


def longest_ways(edges: set[tuple[int, int]], changed: set[int]) -> dict[int, int]:
    """Longest way from something that changed, for everything that can be reached."""
    ways = dict.fromkeys(changed, 0)
    for child in range(NODES):
        steps = [ways[parent] + 1 for parent, of in edges if of == child and parent in ways]
        if steps:
            ways[child] = max(steps)
    return ways


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDGES, CHANGED)
def test_equals_a_walk_through_the_graph(
    connection: psycopg.Connection[Any], edges: set[tuple[int, int]], changed: set[int]
) -> None:
    parameters = {
        "changed": [str(node) for node in changed],
        "children": [str(child) for _, child in edges],
        "parents": [str(parent) for parent, _ in edges],
    }
    found = connection.execute(QUERY, parameters).fetchall()
    ways = longest_ways(edges, changed)
    assert {key: depth for _, key, _, _, depth in found} == ways
    assert len(found) == len(ways)
    for _, key, cause, reason, _ in found:
        if key in changed:
            assert (cause, reason) == ("code", f"code of {key}")
        else:
            first = min(str(parent) for parent, child in edges if child == key and parent in ways)
            assert (cause, reason) == ("upstream", f"parent {first} is stale")

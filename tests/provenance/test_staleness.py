"""Everything that descends from what changed, and nothing else, in an order that rebuilds each once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.provenance.staleness import code_change, stale_query, version_change

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


GIVEN = " FROM (SELECT %s::text AS old, %s::text AS new) AS given"


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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ingest 2, decoder 1", "ingest 2, decoder 2", "decoder 1 → 2"),
        ("ingest 2, decoder 1", "ingest 3, decoder 2", "decoder 1 → 2, ingest 2 → 3"),
        ("1", "2", "code 1 → 2"),
        ("LL03 ql-lightcurve 2, builder 1", "LL03 ql-lightcurve 3, builder 1", "LL03 ql-lightcurve 2 → 3"),
        ("a 1, b 1", "a 1", "b 1 → none"),
        ("2.2", "ingest 2, decoder 2", "code 2.2 → none, decoder none → 2, ingest none → 2"),
    ],
)
def test_only_the_parts_of_a_code_version_that_differ_are_named(
    connection: psycopg.Connection[Any], old: str, new: str, said: str
) -> None:
    query = (
        "SELECT " + code_change("given.old", "given.new") + " FROM (SELECT %s::text AS old, %s::text AS new) AS given"
    )
    assert connection.execute(query, (old, new)).fetchone() == (said,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("V01", "V02", "V01 → V02"),
        ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210", "0123456 → fedcba9"),
        ("", "V01", "none → V01"),
        (None, "V01", "none → V01"),
    ],
)
def test_digests_are_short(connection: psycopg.Connection[Any], old: str | None, new: str, said: str) -> None:
    query = (
        "SELECT "
        + version_change("given.old", "given.new")
        + " FROM (SELECT %s::text AS old, %s::text AS new) AS given"
    )
    assert connection.execute(query, (old, new)).fetchone() == (said,)

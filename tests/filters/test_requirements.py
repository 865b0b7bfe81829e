"""Tables are joined, lists are named, groups have one value of each: in the filter and in queries within it."""

from __future__ import annotations

import pytest

from broker_assets.filters.query import FilterError, check

HITS = "SELECT 1 FROM watchlist_hits AS w WHERE w.diaObjectId = o.diaObjectId"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (f"EXISTS ({HITS})", "watchlist_hits must be restricted"),
        (f"EXISTS ({HITS} AND (w.wl_id = 1 OR TRUE))", "watchlist_hits must be restricted"),
        (f"EXISTS ({HITS} AND w.wl_id = o.nDiaSources)", "watchlist_hits must be restricted"),
        (f"EXISTS ({HITS} AND w.wl_id IN (SELECT 1 FROM objects AS x))", "x is not joined to w"),
        ("EXISTS (SELECT 1 FROM object_classes AS c WHERE c.score > o.ra)", "c is not joined to o"),
        ("EXISTS (SELECT 1 FROM object_classes AS c WHERE c.score = o.ra)", "c is not joined to o"),
        ("EXISTS (SELECT 1 FROM object_link AS l WHERE l.linkedId = o.diaObjectId)", "l is not joined to o"),
        ("o.ra IN (SELECT c.score FROM object_classes AS c)", "c is not joined to o"),
        ("o.diaObjectId IN (SELECT l.linkedId FROM object_link AS l)", "l is not joined to o"),
    ],
)
def test_a_query_within_is_joined_by_the_object_and_names_its_lists(condition: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT o.ra FROM objects AS o WHERE {condition}")
    assert said in str(caught.value)


def test_a_group_of_a_query_within_has_nothing_of_the_query_around() -> None:
    groups = "SELECT max(c.score) + o.ra FROM object_classes AS c WHERE c.diaObjectId = o.diaObjectId GROUP BY c.class"
    with pytest.raises(FilterError, match="selects nothing of the query around it"):
        check(f"SELECT o.ra FROM objects AS o WHERE o.ra IN ({groups})")

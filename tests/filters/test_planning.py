"""Groups, order and the clauses of a filter."""

from __future__ import annotations

import pytest

from broker_assets.filters.query import FilterError, check

HITS = "FROM objects JOIN watchlist_hits w USING (diaObjectId) WHERE w.wl_id = 3"


def test_what_has_several_values_in_a_group_is_refused() -> None:
    with pytest.raises(FilterError, match=r"w.arcsec has several values in a group.*min\(w.arcsec\)"):
        check(f"SELECT w.arcsec {HITS} GROUP BY diaObjectId")
    assert check(f"SELECT ra, min(w.arcsec) {HITS} GROUP BY diaObjectId").output == ("ra", "MIN(w.arcsec)")


def test_a_filter_without_groups_has_no_aggregates() -> None:
    with pytest.raises(FilterError, match="needs GROUP BY"):
        check("SELECT count(*) FROM objects")


def test_clauses_are_joins_lists_and_terms_with_the_columns_they_name() -> None:
    query = check(f"SELECT ra {HITS} AND (ra > 3 OR decl > w.arcsec) AND nDiaSources > 2")
    assert [(clause.text, clause.columns) for clause in query.clauses] == [
        ("is in watchlist 3", ()),
        ("ra > 3 OR decl > w.arcsec", ("objects.decl", "objects.ra", "w.arcsec")),
        ("nDiaSources > 2", ("objects.nDiaSources",)),
    ]


def test_with_distinct_order_is_by_what_is_selected() -> None:
    assert check("SELECT DISTINCT tns_name, ra FROM objects ORDER BY tns_name, 2 DESC").output == ("tns_name", "ra")
    with pytest.raises(FilterError, match="ordered by what it selects"):
        check("SELECT DISTINCT ra FROM objects ORDER BY decl")

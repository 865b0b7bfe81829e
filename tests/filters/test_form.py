"""Lasair's form: which tables are joined, and how."""

from __future__ import annotations

import pytest

from broker_assets.filters.errors import Refused
from broker_assets.filters.form import Form, members


def tables(text: str, conditions: str = "") -> list[tuple[str, object]]:
    return [(member.alias, member.restricted) for member in members(Form("objects.ra", text, conditions))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [("objects", None)]),
        ("objects", [("objects", None)]),
        ("objects_ext", [("objects", None)]),
        (" Objects ,SHERLOCK_classifications", [("objects", None), ("sherlock_classifications", None)]),
        ("watchlist:3", [("objects", None), ("watchlist_hits", 3)]),
        ("objects, area:3", [("objects", None), ("area_hits", 3)]),
        ("objects, watchmap:3&4", [("objects", None), ("ar0", 3), ("ar1", 4)]),
        ("objects, annotator:fink&alerce", [("objects", None), ("fink", "fink"), ("alerce", "alerce")]),
        ("objects, annotators:fink", [("objects", None), ("fink", "fink")]),
        ("crossmatch_tns, watchlist:7", [("objects", None), ("watchlist_hits", 7), ("crossmatch_tns", None)]),
        ("mpc_orbits", [("objects", None), ("sssources", None), ("mpc_orbits", None)]),
    ],
)
def test_tables_of_a_form(text: str, found: list[tuple[str, object]]) -> None:
    assert tables(text) == found


def test_tables_that_columns_name_need_not_be_listed() -> None:
    assert tables("objects", "sherlock_classifications.z > 0.1 AND 'mpc_orbits.x' = ''")[1:] == [
        ("sherlock_classifications", None)
    ]


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("objects, objets2", "no table objets2", 9),
        ("objects, watchlist:x", "not the number of a watchlist", 9),
        ("objects, watchlist:1, watchlist:2", "one watchlist", 22),
        ("objects, area:1&", "not the number of an area", 9),
        ("objects, area:1 OR 1=1", "not the number", 9),
        ("objects, annotator:a'b", "not the name of an annotator", 9),
        ("objects, annotator:objects", "name of a table", 9),
        ("objects, annotator:fink&fink", "twice", 0),
        ("objects, watchlist_hits", "watchlist:7", 0),
        ("objects, auth_user", "no table auth_user", 9),
    ],
)
def test_what_is_not_a_table_is_refused(text: str, said: str, at: int) -> None:
    with pytest.raises(Refused) as caught:
        tables(text)
    assert said in caught.value.message + caught.value.example
    assert caught.value.at == at

"""Pages by key: every row once, in order, and a place belongs to its question."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from broker_assets.database.engine import connect
from broker_assets.database.paging import BadPlaceError, page, read_place, write_place


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as opened:
        yield opened


QUERY = sql.SQL(
    "SELECT number, number / 3 AS third, date '2026-01-01' + number AS day FROM generate_series(1, %(n)s) number"
)


@pytest.mark.database
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("keys", [("number",), ("third", "number"), ("day",)])
def test_every_row_once(connection: psycopg.Connection[Any], keys: tuple[str, ...], descending: bool) -> None:
    seen, place = [], None
    while True:
        found = page(connection, QUERY, {"n": 23}, keys=keys, limit=5, place=place, descending=descending)
        assert len(found.rows) <= 5
        seen += [row["number"] for row in found.rows]
        place = found.following
        if place is None:
            break
    expected = list(range(1, 24))
    assert seen == (expected[::-1] if descending else expected)


@pytest.mark.database
def test_a_place_belongs_to_its_question(connection: psycopg.Connection[Any]) -> None:
    found = page(connection, QUERY, {"n": 23}, keys=("number",), limit=5)
    for parameters, keys, descending in (({"n": 24}, ("number",), False), ({"n": 23}, ("day",), False),
                                         ({"n": 23}, ("number",), True)):  # fmt: skip
        with pytest.raises(BadPlaceError):
            page(connection, QUERY, parameters, keys=keys, limit=5, place=found.following, descending=descending)
    with pytest.raises(BadPlaceError):
        page(connection, QUERY, {"n": 23}, keys=("number",), limit=5, place="x" * 3000)


@settings(max_examples=15)
@given(st.text(max_size=60))
def test_other_texts_are_no_places(text: str) -> None:
    with pytest.raises(BadPlaceError):
        read_place("question", text, 1)


def test_values_come_back() -> None:
    values = [2**62, 60000.123456789, "é", datetime.date(2026, 1, 2)]
    assert read_place("q", write_place("q", values), 4) == [2**62, 60000.123456789, "é", "2026-01-02"]

"""Statements over both sides of the border; that the rows are right is in `tests/cold/test_months.py`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.nights import ColdTable, write_night
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.border import TooManyBeyond
from broker_assets.database.border_sql import across
from broker_assets.database.engine import connect
from broker_assets.database.tables import diasources

pytestmark = pytest.mark.database

NIGHT = datetime.date(1859, 1, 5)


@pytest.fixture
def beyond(database_url: str, tmp_path: Path) -> Any:
    """A connection to a database whose cold store, in a folder, has three rows that the database has not."""
    rows = {
        "diaobjectid": [7, 7, 8], "diasourceid": [1, 2, 3], "midpointmjdtai": [101.0, 102.0, 103.0], "survey": [1] * 3,
        "band": ["g", None, "100% 'r'"], "reduction": [0] * 3, "centroid_flag": [True, False, None],
        "night": [NIGHT] * 3,
    }  # fmt: skip
    schema = pa.schema([item.with_nullable(True) for item in arrow_schema(diasources)])
    table = pa.table({item.name: pa.array(rows.get(item.name, [None] * 3), item.type) for item in schema})
    of_night = ColdTable("diasources", schema, lambda *_: iter([table]), "sources")
    write_night(ColdStore(database_url, (tmp_path / "cold").as_uri()), NIGHT, [of_night])
    with connect(database_url) as connection:
        yield connection


def leave(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO cold_months (name, month, begins, ends, rows, checksum, snapshotid)"
        " VALUES ('diasources', '1859-01-01', 100, 130, 1, 1, 1)"
    )


def test_a_statement_stays_where_nothing_has_left(beyond: Any) -> None:
    text, composed = "SELECT 1 FROM diasources", sql.SQL("SELECT 1 FROM {}").format(sql.Identifier("diasources"))
    assert across(beyond, text, {diasources: []}) is text
    assert across(beyond, composed, {diasources: []}) is composed
    leave(beyond)
    assert across(beyond, text, {diasources: [[("midpointmjdtai", ">=", 200.0)]]}) is text


def test_rows_of_both_sides(beyond: Any) -> None:
    leave(beyond)
    beyond.execute(
        "INSERT INTO diasources (diaobjectid, diasourceid, midpointmjdtai, survey, band) VALUES (9, 4, 60000, 1, 'z')"
    )
    query = "SELECT diasourceid, band, centroid_flag FROM diasources ORDER BY 1"
    expected = [(1, "g", True), (2, None, False), (3, "100% 'r'", None), (4, "z", None)]
    assert beyond.execute(across(beyond, query, {diasources: []})).fetchall() == expected
    assert beyond.execute(across(beyond, sql.SQL(query), {diasources: []})).fetchall() == expected
    bound = across(beyond, "WITH own AS (SELECT %s::int AS a) SELECT count(*) FROM diasources, own", {diasources: []},
                   has_values=True)  # fmt: skip
    assert beyond.execute(bound, (5,)).fetchone() == (4,)
    # A point that is in the database as well counts once.
    beyond.execute(
        "INSERT INTO diasources (diaobjectid, diasourceid, midpointmjdtai, survey, band)"
        " VALUES (7, 1, 101.0001, 1, 'y')"
    )
    assert beyond.execute(across(beyond, query, {diasources: []})).fetchall()[0] == (1, "y", None)


def test_too_many_rows_are_refused(beyond: Any) -> None:
    leave(beyond)
    with pytest.raises(TooManyBeyond, match="more than 2 rows of diasources"):
        across(beyond, "SELECT 1 FROM diasources", {diasources: []}, most=2)

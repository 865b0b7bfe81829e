"""Points of many objects as one table, as of a moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.database.partitions import ensure
from broker_assets.lightcurves.curve_tables import SCHEMA, curve_table, curve_tables, known_objects

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as opened:
        ensure(opened, [60000.0, 60020.0])
        opened.execute("INSERT INTO objects (diaobjectid, survey) VALUES (1, 1), (2, 2)")
        for number, brought, withdrawn in ((1, 60001.0, None), (2, 60010.0, None), (3, 60003.0, 60005.0)):
            opened.execute(
                "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, band, psfflux, psffluxerr, survey,"
                " broughtby, broughtbymjdtai, timewithdrawnmjdtai) VALUES (%s, 1, %s, 'r', 10.5, 1, 1, 1, %s, %s)",
                (number, 60000.0 + number, brought, withdrawn),
            )
        opened.execute(
            "INSERT INTO dianondetectionlimits (diaobjectid, midpointmjdtai, band, exposure, dianoise, survey,"
            " broughtby, broughtbymjdtai) VALUES (2, 60002.5, 'g', 5, 30, 2, 1, 60003)"
        )
        yield opened


def test_points_of_some_objects(connection: psycopg.Connection[Any]) -> None:
    survey = known_objects(connection, [1, 2, 3])
    assert survey == {1: 1, 2: 2}
    found = curve_table(connection, survey)
    assert found.schema == SCHEMA
    assert found["kind"].to_pylist() == ["detection"] * 3 + ["limit"]
    assert found["survey"].to_pylist() == ["rubin"] * 3 + ["ztf"]
    assert found["diaNoise"].to_pylist() == [None, None, None, 30.0]
    assert curve_table(connection, survey, kinds=["limits"]).num_rows == 1
    assert curve_table(connection, {}).num_rows == 0
    parts = list(curve_tables(connection, survey, together=1))
    assert [part.num_rows for part in parts] == [3, 1]


@pytest.mark.parametrize(
    ("as_of", "ids"), [(60000.5, []), (60002.0, [1]), (60003.5, [1, 3]), (60007.0, [1]), (60011.0, [1, 2])]
)
def test_as_of_a_moment(connection: psycopg.Connection[Any], as_of: float, ids: list[int]) -> None:
    found = curve_table(connection, {1: 1}, as_of=as_of)
    assert found["id"].to_pylist() == ids


@pytest.mark.parametrize(
    "options", [{}, {"as_of": 60003.5}, {"since": 60002.0, "until": 60003.0}, {"kinds": ["limits"]}]
)
def test_few_objects_are_read_as_many_are(connection: psycopg.Connection[Any], options: dict[str, Any]) -> None:
    few = curve_table(connection, {1: 1, 2: 2}, **options)
    many = curve_table(connection, {1: 1, 2: 2, **dict.fromkeys(range(100, 110), 1)}, **options)
    assert few.equals(many)


def test_between_two_times(connection: psycopg.Connection[Any]) -> None:
    assert curve_table(connection, {1: 1}, since=60002.0, until=60003.0)["id"].to_pylist() == [2]

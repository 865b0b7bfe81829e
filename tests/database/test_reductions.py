"""One reduction, or the one that counts of several."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from reduced_photometry import reduced

from broker_assets.database import engine
from broker_assets.database.reductions import points

pytestmark = pytest.mark.database


def test_the_highest_priority_counts(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        reduced(connection)
        connection.execute("UPDATE diasources SET diaobjectid = 1 WHERE diaobjectid = 101")

        def found(reductions: Any, columns: list[str], where: str = "diaobjectid = 1") -> list[Any]:
            query = points("diasources", columns, sql.SQL(where), reductions)  # type: ignore[arg-type]
            return _sorted(connection, query)

        assert found({0: 0}, ["visit", "psfflux"])[0] == (1002, 1002.0)
        both = found({0: 0, 1: 5}, ["visit", "psfflux"])
        assert both == [(1001, 2001.0), (1002, 2002.0), (1003, 2003.0), (1004, 1004.0)]
        assert found({0: 5, 1: 0}, ["visit", "psfflux"])[1] == (1002, 1002.0)
        assert found({1: 0}, ["visit"]) == [(1001,), (1002,), (1003,)]
        assert found({1: 0}, ["visit"], "diaobjectid = 1 AND midpointmjdtai > 61001") == [(1003,)]
        shown = points("diasources", ["band"], sql.SQL("diaobjectid = 3"), {0: 0, 1: 1}, shown=sql.SQL("upper(band)"))
        assert _sorted(connection, shown) == [("G",)]
        limits = points("dianondetectionlimits", ["band"], sql.SQL("true"), {0: 0, 1: 1})
        assert _sorted(connection, limits) == []


def _sorted(connection: psycopg.Connection[Any], query: sql.Composed) -> list[Any]:
    return sorted(connection.execute(query).fetchall())

"""ADQL runs, and sees only what the account may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.database.query_role import PUBLISHED
from broker_assets.filters.adql import AdqlError
from broker_assets.filters.tap import TookTooLong, run, tap_schema

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "INSERT INTO objects (diaobjectid, ra, decl, survey, ndiasources)"
            " SELECT n, 10 + n / 100.0, -n / 100.0, 1, n FROM generate_series(1, 20) AS n"
        )
        for number, (owner, public) in enumerate((("ann", False), ("bob", True)), 1):
            opened.execute(
                "INSERT INTO watchlists (wl_id, owner, name, public, active, radius, revision) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, %s, 'x', %s, true, 1, 1)",
                (number, owner, public),
            )
        yield opened


def rows(connection: psycopg.Connection[Any], query: str, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(connection, query, limit=100, seconds=10, **options).table.to_pylist()
    return found


def test_queries(connection: psycopg.Connection[Any]) -> None:
    assert rows(connection, "SELECT TOP 2 diaobjectid, ra FROM objects ORDER BY ra DESC")[0]["diaobjectid"] == 20
    counted = rows(
        connection, "SELECT COUNT(*) AS n, MIN(MOD(ndiasources, 3)) AS m, ROUND(AVG(ra), 2) AS a FROM objects"
    )
    assert counted[0] == {"n": 20, "m": 0, "a": 10.11 if counted[0]["a"] == 10.11 else 10.1}
    near = rows(
        connection,
        "SELECT diaobjectid, DISTANCE(POINT(ra, decl), POINT(10.01, -0.01)) AS d FROM diaobjects"
        " WHERE 1 = CONTAINS(POINT(ra, decl), CIRCLE(10.01, -0.01, 0.02)) ORDER BY d",
    )
    assert [row["diaobjectid"] for row in near] == [1, 2]
    assert near[1]["d"] == pytest.approx(0.0141, abs=1e-4)
    many = run(connection, "SELECT ra FROM objects", limit=5, seconds=10)
    assert (many.table.num_rows, many.overflows) == (5, True)
    assert not run(connection, "SELECT TOP 5 ra FROM objects", limit=5, seconds=10).overflows
    assert many.table.schema.field("ra").metadata[b"unit"] == b"deg"
    twice = run(connection, "SELECT ra, ra FROM objects", limit=5, seconds=10)
    assert twice.table.column_names == ["ra", "ra_"]


def test_what_there_is(connection: psycopg.Connection[Any]) -> None:
    found = rows(connection, "SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name = 'broker'")
    assert {row["table_name"] for row in found} == set(PUBLISHED)
    unit = rows(
        connection, "SELECT t.unit FROM tap_schema.columns t WHERE table_name = 'objects' AND column_name = 'ra'"
    )
    assert unit == [{"unit": "deg"}]
    assert rows(connection, "SELECT * FROM tap_schema.keys") == []
    for row in tap_schema("columns"):
        if not row["table_name"].startswith("tap_schema"):
            query = f"SELECT TOP 1 {row['column_name']} FROM {row['table_name']}"
            if row["column_index"] == 1:
                run(connection, query, limit=1, seconds=10)


@pytest.mark.parametrize(("viewer", "seen"), [("", [2]), ("ann", [1, 2]), ("bob", [2])])
def test_private_rows_are_not_seen(connection: psycopg.Connection[Any], viewer: str, seen: list[int]) -> None:
    assert [
        row["wl_id"] for row in rows(connection, "SELECT wl_id FROM watchlists ORDER BY wl_id", viewer=viewer)
    ] == seen


def test_what_fails(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(AdqlError, match="nothing"):
        rows(connection, "SELECT nothing FROM objects")
    with pytest.raises(AdqlError, match="cannot run"):
        rows(connection, "SELECT 1 / (ndiasources - ndiasources) FROM objects")
    with pytest.raises(TookTooLong):
        run(connection, "SELECT COUNT(*) FROM objects a, objects b, objects c, objects d, objects e, objects f",
            limit=1, seconds=0.05)  # fmt: skip

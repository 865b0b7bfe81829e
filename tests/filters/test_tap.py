"""ADQL runs, and sees only what the account may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.database.query_role import PUBLISHED
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.filters.tap import TookTooLong, reading, run
from broker_assets.filters.tap_schema import tap_schema
from broker_assets.filters.tap_uploads import Upload, UploadedColumn

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
    (left,) = rows(
        connection,
        "SELECT MOD(diaobjectid, 7) AS a, MOD(-ra, 3) AS b, MOD(ra, MOD(11.5, 4)) + 1 AS c, MOD(COUNT(*), 2) AS d,"
        " MOD(-diaobjectid, 3) AS e, MOD(MAX(ndiasources) + 1, 5) AS f FROM objects WHERE diaobjectid = 20"
        " GROUP BY diaobjectid, ra",
    )
    assert left == pytest.approx({"a": 6, "b": -1.2, "c": 4.2, "d": 1, "e": -2, "f": 1})
    assert [name for name, value in left.items() if isinstance(value, int)] == ["a", "d", "e", "f"]
    real = (
        "WITH a AS (SELECT ra AS ndiasources FROM objects WHERE diaobjectid = 20) SELECT MOD(ndiasources, 3) m FROM a"
    )
    assert rows(connection, real) == [{"m": pytest.approx(1.2)}]
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
    assert len(rows(connection, "SELECT * FROM tap_schema.keys")) == 5
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


def test_rows_come_in_parts(connection: psycopg.Connection[Any]) -> None:
    query = "SELECT a.diaobjectid FROM objects a, objects b, objects c"
    with reading(connection, query, limit=7000, seconds=10) as found:
        sizes = [batch.num_rows for batch in found]
    assert (sizes, found.overflows) == ([5000, 2000], True)
    with reading(connection, query, limit=100, seconds=10) as found:
        pass  # a reader that stops early
    assert rows(connection, "SELECT TOP 1 diaobjectid FROM objects ORDER BY 1") == [{"diaobjectid": 1}]
    empty = run(connection, "SELECT ra, survey FROM objects WHERE ra < 0", limit=5, seconds=10)
    assert (empty.table.column_names, empty.table.num_rows, empty.overflows) == (["ra", "survey"], 0, False)
    assert run(connection, "SELECT ra FROM objects", limit=0, seconds=10).overflows


def test_uploads_are_joined_by_position_and_seen_by_their_query_alone(connection: psycopg.Connection[Any]) -> None:
    mine = Upload(
        (
            UploadedColumn("name", "TEXT", ["a'", None, "far"]),
            UploadedColumn("ra", "DOUBLE PRECISION", [10.05, 10.2001, 200.0]),
            UploadedColumn("dec", "DOUBLE PRECISION", [-0.0501, -0.2, None]),
        )
    )
    query = (
        "SELECT m.name, o.diaobjectid FROM TAP_UPLOAD.Mine AS m JOIN objects AS o"
        " ON 1 = CONTAINS(POINT(o.ra, o.decl), CIRCLE(m.ra, m.dec, 0.001)) ORDER BY 2"
    )
    connection.execute("UPDATE objects SET healpix = NULL WHERE diaobjectid > 6")
    from broker_assets.sky.cells import cells_at

    for number in range(1, 21):
        cell = int(cells_at(np.array([10 + number / 100]), np.array([-number / 100]))[0])
        connection.execute("UPDATE objects SET healpix = %s WHERE diaobjectid = %s", (cell, number))
    found = rows(connection, query, uploads={"mine": mine})
    assert found == [{"name": "a'", "diaobjectid": 5}, {"name": None, "diaobjectid": 20}]
    count = rows(connection, "SELECT COUNT(*) AS n, MAX(tap_upload.mine.ra) AS top FROM tap_upload.mine",
                 uploads={"mine": mine})  # fmt: skip
    assert count == [{"n": 3, "top": 200.0}]
    with pytest.raises(AdqlError, match="no table"):
        rows(connection, query)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("SELECT diaobjectid FROM objects ORDER BY diaobjectid OFFSET 15", 5),
        ("SELECT diaobjectid FROM objects EXCEPT SELECT diaobjectid FROM objects WHERE diaobjectid > 4", 4),
        ("SELECT diaobjectid FROM objects INTERSECT SELECT diaobjectid FROM objects WHERE diaobjectid > 4", 16),
        ("SELECT table_name FROM tap_schema.tables WHERE table_name ILIKE 'OBJECTS'", 1),
        ("SELECT UPPER(table_name) AS u FROM tap_schema.tables WHERE LOWER(table_name) LIKE 'ivoa.%'", 1),
        ("WITH a AS (SELECT CAST(diaobjectid AS INTEGER) AS n FROM objects) SELECT COALESCE(n, 1) FROM a", 20),
    ],
)
def test_what_the_capabilities_promise(connection: psycopg.Connection[Any], query: str, number: int) -> None:
    assert len(rows(connection, query)) == number


def test_regions_are_exact(connection: psycopg.Connection[Any]) -> None:
    def seen(condition: str) -> list[int]:
        query = f"SELECT diaobjectid FROM objects WHERE {condition} ORDER BY diaobjectid"
        return [row["diaobjectid"] for row in rows(connection, query)]

    corners = "10.035, -0.075, 10.075, -0.075, 10.075, -0.035, 10.035, -0.035"
    assert seen(f"1 = CONTAINS(POINT(ra, decl), POLYGON({corners}))") == [4, 5, 6, 7]
    assert seen(f"1 = CONTAINS(POINT('ICRS', ra + 0, decl), POLYGON('ICRS', {corners}))") == [4, 5, 6, 7]
    backwards = "10.035, -0.035, 10.075, -0.035, 10.075, -0.075, 10.035, -0.075"
    assert seen(f"0 = CONTAINS(POINT(ra, decl), POLYGON({backwards}))") == [1, 2, 3, *range(8, 21)]
    assert seen("1 = INTERSECTS(CIRCLE(ra, decl, 0.01), CIRCLE(10.01, -0.01, 0.005))") == [1, 2]
    assert seen("1 = CONTAINS(CIRCLE(ra, decl, 0.01), CIRCLE(10.01, -0.01, 0.03))") == [1, 2]


def test_observations(connection: psycopg.Connection[Any]) -> None:
    for number, (level, starts) in enumerate((("L1", "2023-11-01T00:00:00.000"), ("L0", "0752112000")), 1):
        connection.execute(
            "INSERT INTO product_file (productfileid, path, name, level, family, kind, version, day, rows, starts,"
            " ends, digest, size, incomplete, code_version) OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'a', %s,"
            " 'quicklook', 'ql-lightcurve', 1, '2023-11-01', 5, %s, %s, 'x', 5120, false, '1')",
            (number, f"{level}/a", level, starts, starts.replace("T00:00", "T06:00")),
        )
    found = rows(connection, "SELECT * FROM ivoa.obscore ORDER BY calib_level", address="https://b.example")
    raw, calibrated = found
    assert (raw["t_min"], calibrated["t_min"], calibrated["t_exptime"]) == (None, 60249.0, 21600.0)
    assert calibrated["access_url"] == "https://b.example/api/v1/products/1/file"
    assert (calibrated["dataproduct_type"], calibrated["o_ucd"]) == ("timeseries", "phot.count;em.X-ray")
    assert calibrated["em_max"] == pytest.approx(3.0996e-10, rel=1e-4)
    table = run(connection, "SELECT t_min FROM ivoa.obscore", limit=9, seconds=9).table
    assert table.schema.field(0).metadata[b"utype"].startswith(b"obscore:Char.TimeAxis")

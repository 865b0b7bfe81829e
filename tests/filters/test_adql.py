"""ADQL: what is accepted becomes a statement of PostgreSQL, everything else is refused."""

from __future__ import annotations

import pytest

from broker_assets.filters.adql import translate
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.filters.tap_uploads import Upload, UploadedColumn


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("SELECT TOP 5 ra FROM objects", ["LIMIT 5"]),
        ("SELECT ra FROM broker.objects AS o", ["FROM objects AS o", "LIMIT 101"]),
        ("SELECT TOP 5000 ra FROM objects", ["LIMIT 101"]),
        ("SELECT LOG(ra), LOG10(ra) FROM objects", ["LN(ra)", "LOG10(ra)"]),
        ("SELECT ROUND(ra, 2) FROM objects", ["ROUND(CAST(ra AS DECIMAL), 2)"]),
        ("SELECT ROUND(ROUND(ra, 2), 1) FROM objects", ["ROUND(CAST(CAST(ROUND(CAST(ra AS DECIMAL), 2) AS DOUBLE"]),
        ("SELECT RAND(), RAND(3) FROM objects", ["RANDOM(), RANDOM()"]),
        ("SELECT ra FROM objects WHERE tns_name LIKE 'a%'", ["LIKE 'a%%'"]),
        ("SELECT * FROM tap_schema.tables", ["%(tap_tables)s"]),
        ("WITH a AS (SELECT ra FROM objects) SELECT * FROM a UNION SELECT decl FROM objects", ["WITH a AS", "UNION"]),
        ("SELECT 1 FROM objects WHERE 1 = CONTAINS(POINT(ra, decl), CIRCLE(1, -2, 0.1))", ["healpix >=", "<= 0.1"]),
        ("SELECT 1 FROM objects WHERE 0 = CONTAINS(POINT(ra, decl), CIRCLE(POINT(1, 2), 0.1))", ["NOT ("]),
        ("SELECT CONTAINS(POINT('ICRS', ra, decl), CIRCLE(1, 2, 3)) FROM diasources", ["CASE WHEN", "ELSE 0"]),
        ("SELECT INTERSECTS(CIRCLE(1, 2, 3), POINT(ra, decl)) FROM diasources", ["CASE WHEN"]),
        ("SELECT DISTANCE(POINT(ra, decl), POINT(1, 2)), COORD1(POINT(ra, decl)) FROM objects", ["ASIN", ", ra FROM"]),
        ("SELECT DISTANCE(ra, decl, 1, 2) FROM objects", ["ASIN"]),
        ("SELECT AREA(CIRCLE(1, 2, 3)) FROM objects", ["PI()"]),
        ("SELECT COORDSYS(POINT(ra, decl)) FROM objects", ["'ICRS'"]),
        ("SELECT COORD2(CENTROID(CIRCLE(ra, decl, 1))) FROM objects", ["SELECT decl FROM"]),
        ("SELECT 1 FROM objects WHERE 1 = CONTAINS(POINT(ra, decl), BOX(1, 2, 3, 4))", ["healpix >="]),
        ("SELECT broker.objects.ra FROM broker.objects", ["SELECT objects.ra FROM objects"]),
        ("SELECT T.table_name FROM tap_schema.tables AS T", ['AS "t"']),
        ("SELECT ivoa.obscore.obs_id FROM ivoa.obscore", ["FROM obscore"]),
    ],
)
def test_translated(query: str, parts: list[str]) -> None:
    statement = translate(query, limit=100).statement
    assert all(part in statement for part in parts), statement


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT", "."),
        ("DELETE FROM objects", "one SELECT"),
        ("SELECT 1; DROP TABLE objects", "one SELECT"),
        ("SELECT * INTO a FROM objects", "not part"),
        ("SELECT * FROM objects FOR UPDATE", "not part"),
        ("SELECT pg_sleep(5)", "no function pg_sleep"),
        ("SELECT current_user", "no function"),
        ("SELECT set_config('role', 'x', false)", "no function"),
        ("SELECT * FROM access.users", "no table"),
        ("SELECT * FROM pg_catalog.pg_authid", "no table"),
        ("SELECT * FROM other.public.objects", "no table"),
        ("SELECT * FROM generate_series(1, 1000000000)", "."),
        ("SELECT CAST(ra AS regclass) FROM objects", "cast"),
        ("SELECT :a FROM objects", "."),
        ("SELECT 1 FROM objects WHERE 1 = CONTAINS(POINT('GALACTIC', ra, decl), CIRCLE(1, 2, 3))", "ICRS"),
        ("SELECT 1 FROM objects WHERE 1 = CONTAINS(BOX(ra, decl, 1, 1), BOX(1, 2, 3, 4))", "must be numbers"),
        ("SELECT REGION('CIRCLE 1 2 3') FROM objects", "write CIRCLE"),
        ("SELECT 1 FROM objects WHERE 1 = CONTAINS(ra, CIRCLE(1, 2, 3))", "POINT"),
        ("SELECT 1 FROM objects WHERE POINT(ra, decl) = 1", "cannot be used"),
        ("SELECT p FROM (SELECT POINT(ra, decl) AS p FROM objects) AS s", "cannot be used"),
        ("SELECT ABS(CENTROID(CIRCLE(1, 2, 3))) FROM objects", "cannot be used"),
        ("SELECT AREA(POINT(1, 2)) FROM objects", "regions are"),
        ("SELECT * FROM tap_upload.mine", "no table"),
        ("SELECT * FROM ivoa.secrets", "no table"),
        ("SELECT TOP ra decl FROM objects", "."),
        ("x" * 30_000, "characters"),
        ("(" * 5000, "."),
    ],
)
def test_refused(query: str, says: str) -> None:
    with pytest.raises(AdqlError, match=says):
        translate(query, limit=100)


def test_what_a_query_writes_is_never_taken_for_what_is_bound() -> None:
    mine = Upload((UploadedColumn("a", "INT", [1]),))
    found = translate("SELECT a, 'tap tables', 'upload 0 0.', '%(upload_0_0)s' FROM tap_upload.mine", limit=5,
                      uploads={"mine": mine})  # fmt: skip
    assert found.statement.count("%(upload_0_0)s") == 2  # the other one is a text, with its sign doubled
    assert "'%%(upload_0_0)s'" in found.statement
    assert (found.uploads, found.tables) == (("mine",), ())

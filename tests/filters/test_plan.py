"""The SQL of a filter: hidden columns, alerts of one object apart, limits, placeholders."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.filters.query import Form, check
from broker_assets.filters.schema import ALERT, NOW, OBJECT

FORM = Form("ra, 'a%' AS x", "objects, watchlist:3", "arcsec % 2 < 1 AND tns_name LIKE '2%' ORDER BY ra")


def test_rows_of_other_alerts_of_an_object_are_not_joined(empty_engines: Any, evaluate: Any) -> None:
    duck = empty_engines.duckdb
    duck.execute(f'INSERT INTO objects (diaobjectid, ra, tns_name, "{ALERT}", "{NOW}") VALUES (7, 1, \'2x\', 71, 0)')
    duck.execute(f'INSERT INTO objects (diaobjectid, ra, tns_name, "{ALERT}", "{NOW}") VALUES (7, 2, \'2x\', 72, 0)')
    duck.execute(
        f'INSERT INTO watchlist_hits (diaobjectid, wl_id, cone_id, arcsec, "{ALERT}") VALUES (7, 3, 1, 2.5, 72)'
    )
    assert duck.execute(check(FORM).duckdb(5)).fetchall() == [(7, 72, 2.0, "a%")]
    found = duck.execute(check(FORM).clause_query("duckdb") + f' ORDER BY "{ALERT}"').fetchall()
    assert [row[:3] for row in found if row[0] == 7] == [(7, 71, False), (7, 72, True)]


def test_a_result_may_be_restricted_to_objects(empty_engines: Any, evaluate: Any) -> None:
    empty_engines.postgres.execute("INSERT INTO objects (diaobjectid, survey, ra, tns_name) VALUES (8, 1, 2, '2x')")
    empty_engines.postgres.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec) VALUES (8, 1, 3, 2.5)"
    )
    query = check(FORM)
    for objects, rows in (([8], [(8, 2.0, "a%")]), ([9], [])):
        statement = query.postgres(5, among="%(objects)s")
        assert empty_engines.postgres.execute(statement, {"objects": objects}).fetchall() == rows
        statement = query.clause_query("postgres", among="%(objects)s")
        assert len(empty_engines.postgres.execute(statement, {"objects": objects}).fetchall()) == len(rows)


def test_hidden_columns_come_first() -> None:
    query = check("SELECT ra FROM objects")
    assert query.duckdb().startswith(f'SELECT "objects"."diaobjectid" AS "{OBJECT}", "objects"."{ALERT}" AS "{ALERT}",')
    assert query.postgres(3).startswith(f'SELECT "objects"."diaobjectid" AS "{OBJECT}", "objects"."ra"')
    assert query.postgres(3).endswith("LIMIT 3")


@pytest.mark.parametrize("now", [None, 61000.5])
def test_the_clock_may_be_given(empty_engines: Any, evaluate: Any, now: float | None) -> None:
    query = check("SELECT mjdnow() AS now FROM objects")
    assert query.uses_now
    found = empty_engines.postgres.execute(query.postgres(1, now=now)).fetchone()[1]
    assert found == now if now is not None else found > 61000


pytestmark = pytest.mark.database

"""A product file among others."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.telemetry.product_search import Search, UnknownProduct, search_query
from broker_assets.telemetry.product_versions import children, contents, versions

pytestmark = pytest.mark.database


def test_versions_contents_and_children(module_database_url: str, tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    records = Records(module_database_url, tmp_path, now)
    old = records.product("L1", "2026-11-27", name="a_V01.fits", version=1)
    for superseded in (now, None):
        records.product("L1", "2026-11-27", name="a_V02.fits", superseded_at=superseded)
    records.product("L1", "2026-11-27", name="a_V02_7.fits", request=7)
    child = records.product("L2", "2026-11-27", parent="a_V02.fits")
    with connect(module_database_url) as connection:
        present, before = contents(connection, "a_V02.fits")
        assert (present["superseded"] is None, before["superseded"] is None) == (True, False)
        found = versions(connection, present)
        assert [(item["name"], item["version"]) for item in found] == [("a_V02.fits", 2), (old, 1)]
        assert [item["name"] for item in children(connection, "a_V02.fits")] == [child]
        with pytest.raises(UnknownProduct, match="nothing"):
            contents(connection, "nothing")
        for pattern, number in (("A_V0*", 3), ("*_7.fits", 1), ("a%", 0), ("a?V01*", 0), ("*", 4)):
            query, values = search_query(Search(name=pattern))
            assert len(connection.execute(query, values).fetchall()) == number, pattern

"""Alerts of the stream become facts and hits, which a night and a list can rebuild."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.sky.lists import (
    create_watchlist,
)
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def test_the_stream_is_matched(platform: Any, survey: Callable[..., Any], follow: Callable[[], list[str]]) -> None:
    packets = list(survey(objects=6, visits=4).packets())
    platform.append(packets[: len(packets) // 2])
    platform.drain()
    [(ra, dec)] = platform.query("SELECT ra, decl FROM objects WHERE ra IS NOT NULL ORDER BY diaobjectid LIMIT 1")
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist([f"{ra}, {dec}, it"]), radius=60.0)
    assert platform.materialisations("watchlist_hits") == []
    before = platform.versions("watchlist_facts")
    assert set(before.values()) == {"0-0000000000000000"}
    follow()
    # the hits of the list are a partition of their own, and no night has become another one
    assert set(platform.versions("watchlist_hits")) == {str(watchlist)}
    assert platform.versions("watchlist_facts") == before
    assert platform.query("SELECT count(*) FROM watchlist_facts") == [(0,)]
    platform.execute("DELETE FROM watchlist_hits")
    platform.append(packets[len(packets) // 2 :])
    platform.drain()
    rows = platform.query("SELECT name, night::text, ingestid > 0 FROM watchlist_hits")
    assert rows
    assert {row[0] for row in rows} == {"it"}
    assert all(row[2] for row in rows)
    after = platform.versions("watchlist_facts")
    nights = {row[0] for row in platform.query("SELECT DISTINCT night::text FROM watchlist_facts")}
    assert nights == {row[1] for row in rows}
    assert {night for night, version in after.items() if before.get(night, version) != version} <= nights
    # a night is computed again, and has the same facts
    night = rows[0][1]
    facts = platform.query("SELECT diaobjectid, diasourceid, cone_id, arcsec FROM watchlist_facts ORDER BY 1, 2, 3")
    platform.execute("DELETE FROM watchlist_facts")
    platform.make("watchlist_facts", "area_facts", "sky_map_facts", night=night)
    assert platform.versions("watchlist_facts")[night] == after[night]
    again = "SELECT diaobjectid, diasourceid, cone_id, arcsec FROM watchlist_facts ORDER BY 1, 2, 3"
    assert platform.query(again) == facts
    # with its rows, too
    platform.execute("DELETE FROM watchlist_facts")
    platform.make("sources", "forced_sources", "objects", night=night)
    assert platform.versions("watchlist_facts")[night] == after[night]
    assert platform.query(again) == facts
    # and all objects with the list again
    hits = platform.query("SELECT diaobjectid, cone_id FROM watchlist_hits ORDER BY 1, 2")
    platform.execute("DELETE FROM watchlist_hits")
    platform.make("watchlist_hits", night=str(watchlist))
    assert platform.query("SELECT diaobjectid, cone_id FROM watchlist_hits ORDER BY 1, 2") == hits

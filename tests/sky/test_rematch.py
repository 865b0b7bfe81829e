"""Past objects against lists that change: only what changed is matched again, and equals brute force."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sky_lists import brute_force, cones, insert_objects, near, stored

from broker_assets.sky.areas import build_area_index, match_areas
from broker_assets.sky.hits import Origin, Positions, write_area_hits, write_cone_hits
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_list,
    expire_lists,
    replace_area,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.store import read_area_index, read_cone_index
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


Connection = psycopg.Connection[Any]


def test_past_and_future_matches_are_the_same(connection: Connection, tmp_path: Path) -> None:
    mine = cones(400, 1)
    watchlist = create_watchlist(connection, "ann", "mine", mine, radius=100.0)
    ra, dec = near(mine, 9)
    ids = insert_objects(connection, ra, dec)
    assert lists_to_rematch(connection) == [("watchlist", watchlist, 1)]
    done = rematch(connection, "watchlist", watchlist)
    past = stored(connection, "watchlist_hits", "cone_id")
    assert past == brute_force(connection)
    assert len(past) == done.total == done.hits > 50
    assert lists_to_rematch(connection) == []
    connection.execute("DELETE FROM watchlist_hits")
    connection.commit()
    refresh_cone_index(connection, tmp_path)
    index = read_cone_index(tmp_path)
    with connection.transaction():
        nights = np.full(len(ids), "2026-11-20", "datetime64[D]")
        write_cone_hits(connection, index, Positions(ids, ra, dec, nights), Origin(index.version, 5))
    assert stored(connection, "watchlist_hits", "cone_id") == past
    row = connection.execute("SELECT index_version, ingestid, night FROM watchlist_hits LIMIT 1").fetchone()
    assert row == (index.version, 5, datetime.date(2026, 11, 20))


def test_only_new_cones_are_matched_again_and_a_smaller_radius_takes_hits_away(connection: Connection) -> None:
    mine = cones(300, 1)
    watchlist = create_watchlist(connection, "ann", "mine", mine, radius=200.0)
    insert_objects(connection, *near(mine, 9))
    other = cones(50, 2)
    insert_objects(connection, *near(other, 10), first=1000)
    rematch(connection, "watchlist", watchlist)
    add_cones(connection, "ann", watchlist, other)
    done = rematch(connection, "watchlist", watchlist)
    assert done.candidates < 100
    assert stored(connection, "watchlist_hits", "cone_id") == brute_force(connection)
    change_list(connection, "ann", "watchlist", watchlist, ListSettings(radius=20.0))
    rematch(connection, "watchlist", watchlist)
    assert stored(connection, "watchlist_hits", "cone_id") == brute_force(connection)


def test_an_object_that_moved_out_is_no_hit_any_more(connection: Connection, tmp_path: Path) -> None:
    create_watchlist(connection, "ann", "mine", parse_watchlist(["10, 10, a, 30"]), radius=5.0)
    connection.commit()
    refresh_cone_index(connection, tmp_path)
    index = read_cone_index(tmp_path)
    for dec, expected in ((10.001, 1), (10.1, 0), (10.0, 1)):
        with connection.transaction():
            write_cone_hits(connection, index, Positions(np.array([7]), np.array([10.0]), np.array([dec])), Origin("v"))
        assert len(stored(connection, "watchlist_hits", "cone_id")) == expected


def test_lists_stop_matching_at_once(connection: Connection, tmp_path: Path) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    kept = create_watchlist(connection, "ann", "kept", parse_watchlist(["10, 10"]), radius=5.0)
    stopped = create_watchlist(connection, "ann", "stopped", parse_watchlist(["10, 10"]), radius=5.0)
    expired = create_watchlist(connection, "ann", "expired", parse_watchlist(["10, 10"]), radius=5.0)
    deleted = create_watchlist(connection, "ann", "deleted", parse_watchlist(["10, 10"]), radius=5.0)
    area = create_area(connection, "ann", "area", cone_area(10.0, 10.0, 1.0, order=8))
    connection.commit()
    refresh_cone_index(connection, tmp_path / "cones")
    refresh_area_index(connection, tmp_path / "areas")
    change_list(connection, "ann", "watchlist", stopped, ListSettings(active=False))
    change_list(connection, "ann", "watchlist", expired, ListSettings(expire=past))
    change_list(connection, "ann", "area", area, ListSettings(expire=past))
    delete_list(connection, "ann", "watchlist", deleted)
    connection.commit()
    here = Positions(np.array([7]), np.array([10.0]), np.array([10.0]))
    with connection.transaction():  # with the indices of before
        write_cone_hits(connection, read_cone_index(tmp_path / "cones"), here, Origin("old"))
        write_area_hits(connection, read_area_index(tmp_path / "areas"), here, Origin("old"))
    assert {row[0] for row in connection.execute("SELECT wl_id FROM watchlist_hits")} == {kept}
    assert stored(connection, "area_hits", "ar_id") == set()
    assert expire_lists(connection) == {"watchlist": [expired], "area": [area]}
    assert expire_lists(connection) == {"watchlist": [], "area": []}


def test_areas(connection: Connection, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    mocs = {}
    for number in range(12):
        moc = cone_area(float(random.uniform(0, 360)), float(random.uniform(-80, 80)), 20.0, order=8)
        mocs[create_area(connection, "ann", f"area {number}", moc)] = moc
    ra, dec = random.uniform(0, 360, 3000), np.degrees(np.arcsin(random.uniform(-1, 1, 3000)))
    ids = insert_objects(connection, ra, dec)
    refreshed = refresh_area_index(connection, tmp_path)
    assert (refreshed.entries, refreshed.changed) == (12, True)
    assert not refresh_area_index(connection, tmp_path).changed
    index = read_area_index(tmp_path)
    with connection.transaction():
        write_area_hits(connection, index, Positions(ids, ra, dec), Origin(index.version))
    hits = match_areas(build_area_index(mocs), ra, dec)
    expected = set(zip(ids[hits.position].tolist(), hits.area.tolist(), strict=True))
    live = stored(connection, "area_hits", "ar_id")
    assert live == expected
    connection.execute("DELETE FROM area_hits")
    for kind, area, _ in lists_to_rematch(connection):
        rematch(connection, kind, area)
    assert stored(connection, "area_hits", "ar_id") == expected
    first = min(mocs)
    replace_area(connection, "ann", first, cone_area(0.0, 0.0, 5.0, order=8))
    assert lists_to_rematch(connection) == [("area", first, 13)]
    rematch(connection, "area", first)
    inside = cone_area(0.0, 0.0, 5.0, order=8)
    again = match_areas(build_area_index({first: inside}), ra, dec)
    assert {pair for pair in stored(connection, "area_hits", "ar_id") if pair[1] == first} == {
        (int(ids[row]), first) for row in again.position
    }

"""Lists, their indices and their hits in a real PostgreSQL."""

from __future__ import annotations

import datetime
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.sky.areas import build_area_index, match_areas
from broker_assets.sky.cells import cells_at
from broker_assets.sky.cones import match_cones
from broker_assets.sky.hits import Origin, Positions, write_area_hits, write_cone_hits
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import (
    ListSettings,
    NameTaken,
    NotTheOwner,
    UnknownList,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
    expire_lists,
    replace_area,
    replace_cones,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.separation import separation
from broker_assets.sky.store import read_area_index, read_cone_index
from broker_assets.sky.watchlists import Cones, parse_watchlist

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url, autocommit=False) as connection:
        yield connection


def cones(count: int, seed: int, *, named: bool = True) -> Cones:
    random = np.random.default_rng(seed)
    radius = np.where(random.random(count) < 0.5, np.nan, random.uniform(1, 300, count))
    names = pa.array([f"{seed}-{n}" if named else None for n in range(count)], pa.string())
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return Cones(random.uniform(0, 360, count), dec, radius, names, np.arange(count), ())


def insert_objects(connection: Connection, ra: np.ndarray, dec: np.ndarray, first: int = 1) -> np.ndarray:
    ids = np.arange(first, first + len(ra))
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY objects (diaobjectid, survey, ra, decl, healpix, lastdiasourcemjdtai) FROM STDIN") as stream,
    ):
        for row in zip(ids.tolist(), ra.tolist(), dec.tolist(), cells_at(ra, dec).tolist(), strict=True):
            stream.write_row((row[0], 1, *row[1:], 60000.0))
    connection.commit()
    return ids


def near(parts: Cones, seed: int, spread: float = 200.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    dec = np.clip(parts.dec + random.normal(0, spread / 3600, len(parts)), -90, 90)
    return np.mod(parts.ra + random.normal(0, spread / 3600, len(parts)), 360.0), dec


def stored(connection: Connection, table: str, key: str) -> set[tuple[int, int]]:
    return set(connection.execute(f"SELECT diaobjectid, {key} FROM {table}").fetchall())


def brute_force(connection: Connection) -> set[tuple[int, int]]:
    objects = np.array(connection.execute("SELECT diaobjectid, ra, decl FROM objects").fetchall())
    rows = np.array(
        connection.execute(
            "SELECT cone_id, c.ra, c.decl, coalesce(c.radius, w.radius) FROM watchlist_cones c JOIN watchlists w"
            " USING (wl_id) WHERE w.active"
        ).fetchall()
    )
    found = separation(objects[:, 1][:, None], objects[:, 2][:, None], rows[:, 1], rows[:, 2]) <= rows[:, 3]
    return {(int(objects[o, 0]), int(rows[c, 0])) for o, c in zip(*np.nonzero(found), strict=True)}


def test_refreshed_index_equals_a_rebuilt_one(connection: Connection, tmp_path: Path) -> None:
    first = create_watchlist(connection, "ann", "first", cones(300, 1), radius=5.0)
    second = create_watchlist(connection, "ann", "second", cones(200, 2), radius=7.0)
    third = create_watchlist(connection, "bob", "first", cones(100, 3, named=False), radius=9.0)
    connection.commit()

    def check(expected_change: bool, entries: int) -> None:
        connection.commit()
        refreshed = refresh_cone_index(connection, tmp_path / "live")
        assert refreshed.changed is expected_change
        assert refreshed.entries == entries
        rebuilt = refresh_cone_index(connection, tmp_path / "rebuilt", rebuild=True)
        assert refreshed.version == rebuilt.version

    check(True, 600)
    check(False, 600)
    add_cones(connection, "ann", first, cones(10, 4))
    check(True, 610)
    ids = [
        row[0] for row in connection.execute("SELECT cone_id FROM watchlist_cones WHERE wl_id = %s LIMIT 7", (first,))
    ]
    assert delete_cones(connection, "ann", first, [*ids, 10**9]) == 7
    check(True, 603)
    change_list(connection, "ann", "watchlist", second, ListSettings(description="no new cones"))
    check(False, 603)
    change_list(connection, "ann", "watchlist", second, ListSettings(radius=11.0))
    check(True, 603)
    change_list(connection, "bob", "watchlist", third, ListSettings(active=False))
    check(True, 503)
    change_list(connection, "bob", "watchlist", third, ListSettings(active=True))
    check(True, 603)
    assert replace_cones(connection, "ann", second, cones(200, 2)) == (0, 0)
    check(False, 603)
    removed, added = replace_cones(connection, "ann", second, cones(50, 5))
    assert (removed, added) == (200, 50)
    check(True, 453)
    delete_list(connection, "ann", "watchlist", first)
    check(True, 150)


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


def test_who_may_change_what(connection: Connection) -> None:
    private = create_watchlist(connection, "ann", "private", cones(3, 1), radius=5.0)
    public = create_watchlist(connection, "ann", "public", cones(3, 1), radius=5.0, public=True)
    with pytest.raises(UnknownList):
        add_cones(connection, "bob", private, cones(1, 2))
    with pytest.raises(NotTheOwner):
        add_cones(connection, "bob", public, cones(1, 2))
    with pytest.raises(NameTaken):
        create_watchlist(connection, "ann", "PRIVATE", cones(1, 1), radius=5.0)
    with pytest.raises(NameTaken):
        change_list(connection, "ann", "watchlist", private, ListSettings(name="Public"))
    with pytest.raises(ValueError, match="radius 361"):
        change_list(connection, "ann", "watchlist", private, ListSettings(radius=361.0))
    with pytest.raises(ValueError, match="1 to 256"):
        create_watchlist(connection, "ann", "  ", cones(1, 1), radius=5.0)
    assert connection.execute("SELECT count(*) FROM watchlist_cones").fetchone() == (6,)


def test_names_with_quotes_are_only_names(connection: Connection) -> None:
    name = "O'Neil\"; DROP TABLE objects; --"
    parts = parse_watchlist([f'10, 10, "{name.replace(chr(34), chr(34) * 2)}"'])
    create_watchlist(connection, name, name, parts, radius=5.0)
    assert connection.execute("SELECT name FROM watchlist_cones").fetchone() == (name,)


def _edit(url: str, watchlist: int, seed: int, edits: int) -> None:
    random = np.random.default_rng(seed)
    with engine.connect(url) as connection:
        mine: list[int] = []
        for number in range(edits):
            if mine and random.random() < 0.4:
                delete_cones(connection, "ann", watchlist, [mine.pop()])
            else:
                part = parse_watchlist([f"{random.uniform(0, 360)}, {random.uniform(-90, 90)}, {seed}-{number}"])
                add_cones(connection, "ann", watchlist, part)
                row = connection.execute(
                    "SELECT cone_id FROM watchlist_cones WHERE name = %s", (f"{seed}-{number}",)
                ).fetchone()
                mine.append(row[0])
            connection.commit()


@pytest.mark.slow
def test_ten_processes_edit_while_the_index_is_refreshed(
    database_url: str, connection: Connection, tmp_path: Path
) -> None:
    watchlist = create_watchlist(connection, "ann", "shared", cones(50, 1), radius=5.0)
    connection.commit()
    context = multiprocessing.get_context("fork")
    editors = [context.Process(target=_edit, args=(database_url, watchlist, seed, 20)) for seed in range(10)]
    for editor in editors:
        editor.start()
    here = Positions(np.array([1, 2]), np.array([10.0, 200.0]), np.array([5.0, 5.0]))
    while any(editor.is_alive() for editor in editors):
        refresh_cone_index(connection, tmp_path)
        index = read_cone_index(tmp_path)
        with connection.transaction():
            write_cone_hits(connection, index, here, Origin(index.version))
        assert len(match_cones(index, index.ra, index.dec)) >= len(index)
    assert [editor.exitcode for editor in editors] == [0] * 10
    final = refresh_cone_index(connection, tmp_path)
    rebuilt = refresh_cone_index(connection, tmp_path / "rebuilt", rebuild=True)
    assert final.version == rebuilt.version
    row = connection.execute("SELECT revision, (SELECT count(*) FROM watchlist_cones) FROM watchlists").fetchone()
    assert row == (1 + 200, final.entries)

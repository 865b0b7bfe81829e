"""Indices of all active lists, brought up to date from the database, equal rebuilt ones."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sky_lists import cones

from broker_assets.database import engine
from broker_assets.sky.cones import match_cones
from broker_assets.sky.hits import Origin, Positions, write_cone_hits
from broker_assets.sky.indices import refresh_cone_index
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_watchlist,
    delete_cones,
    delete_list,
    replace_cones,
)
from broker_assets.sky.store import read_cone_index
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


Connection = psycopg.Connection[Any]


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
                assert row is not None
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

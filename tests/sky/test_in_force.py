"""What is in force at a number: the same whether an index is old, new or missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.in_force import AREAS, CONES, lists_at
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
    replace_area,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database
RA, DEC = np.array([10.0, 20.0, 30.0]), np.array([10.0, 10.0, 10.0])


def held(connection: psycopg.Connection[Any], folder: Path, revision: int) -> tuple[list[Any], list[Any]]:
    """Names of cones and ids of areas that hold the three positions."""
    lists = lists_at(connection, folder, revision)
    found = lists.match(RA, DEC, np.full(3, 61000.0))
    cones = zip(found.cones["row"].to_pylist(), found.cones["name"].to_pylist(), strict=True)
    areas = zip(found.areas["row"].to_pylist(), found.areas["ar_id"].to_pylist(), strict=True)
    return sorted(cones), sorted(areas)


def test_every_past_number_can_be_matched_again(database_url: str, tmp_path: Path) -> None:
    """Indices built at different moments, or none at all, give the same for each number."""
    expected: dict[int, tuple[list[Any], list[Any]]] = {}
    with engine.connect(database_url, autocommit=True) as connection:
        expected[0] = ([], [])

        def note(cones: list[tuple[int, str]], areas: list[tuple[int, int]]) -> None:
            expected[current_revision(connection)] = (cones, areas)

        first = create_watchlist(connection, "ann", "one", parse_watchlist(["10, 10, a", "20, 10, b"]), radius=5.0)
        note([(0, "a"), (1, "b")], [])
        area = create_area(connection, "ann", "area", cone_area(10.0, 10.0, 0.1, order=12))
        note([(0, "a"), (1, "b")], [(0, area)])
        refresh_cone_index(connection, tmp_path / "early" / CONES)
        refresh_area_index(connection, tmp_path / "early" / AREAS)
        add_cones(connection, "ann", first, parse_watchlist(["30, 10, c"]))
        note([(0, "a"), (1, "b"), (2, "c")], [(0, area)])
        replace_area(connection, "ann", area, cone_area(20.0, 10.0, 0.1, order=12))
        note([(0, "a"), (1, "b"), (2, "c")], [(1, area)])
        [(cone,)] = connection.execute("SELECT cone_id FROM watchlist_cones WHERE name = 'a'").fetchall()
        delete_cones(connection, "ann", first, [cone])
        note([(1, "b"), (2, "c")], [(1, area)])
        change_list(connection, "ann", "watchlist", first, ListSettings(active=False))
        note([], [(1, area)])
        refresh_cone_index(connection, tmp_path / "late" / CONES)
        refresh_area_index(connection, tmp_path / "late" / AREAS)
        change_list(connection, "ann", "watchlist", first, ListSettings(active=True, radius=7.0))
        note([(1, "b"), (2, "c")], [(1, area)])
        delete_list(connection, "ann", "watchlist", first)
        note([], [(1, area)])
        assert sorted(expected) == list(range(9))
        for folder in ("none", "early", "late"):
            for revision, answer in expected.items():
                assert held(connection, tmp_path / folder, revision) == answer, (folder, revision)
        # and stepping on from any of them
        for start in expected:
            lists = lists_at(connection, tmp_path / "early", start)
            for revision in range(start, 9):
                lists = lists.advanced(connection, revision)
                found = lists.match(RA, DEC, np.full(3, 61000.0))
                assert sorted(found.cones["name"].to_pylist()) == sorted(name for _, name in expected[revision][0])


def test_a_damaged_index_is_not_used(database_url: str, tmp_path: Path) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        create_watchlist(connection, "ann", "one", parse_watchlist(["10, 10, a"]), radius=5.0)
        refresh_cone_index(connection, tmp_path / CONES)
        for path in (tmp_path / CONES).glob("*/ra.npy"):
            path.write_bytes(b"damaged")
        assert held(connection, tmp_path, 1)[0] == [(0, "a")]


def test_matches_have_their_columns_without_any_list(database_url: str, tmp_path: Path) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        found = lists_at(connection, tmp_path, 0).match(RA, DEC, np.full(3, 61000.0))
    assert all(isinstance(part, pa.Table) and len(part) == 0 for part in (found.cones, found.areas, found.sky_maps))
    assert found.sky_maps.column_names[:3] == ["row", "mw_id", "contour"]


def test_an_empty_folder_loses_nothing_and_is_reported(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        assert held(connection, tmp_path, 0) == ([], [])
        assert caplog.messages == []  # there is nothing that an index could hold
        create_watchlist(connection, "ann", "one", parse_watchlist(["10, 10, a", "20, 10, b"]), radius=5.0)
        assert held(connection, tmp_path / "empty", 1)[0] == [(0, "a"), (1, "b")]
        [message] = caplog.messages
        assert "no index of cones" in message
        assert "all 2 are read from the database" in message
        caplog.clear()
        refresh_cone_index(connection, tmp_path / CONES)
        held(connection, tmp_path, 1)
        assert caplog.messages == []

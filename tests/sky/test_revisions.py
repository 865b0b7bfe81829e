"""Revisions of the lists that are matched now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_list,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.revisions import area_revisions, sky_map_revisions, watchlist_revisions
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def test_a_revision_follows_what_is_matched(connection: psycopg.Connection[Any]) -> None:
    one, two = (
        create_watchlist(connection, "ann", name, parse_watchlist(["10, 10"]), radius=5.0) for name in ("one", "two")
    )
    before = watchlist_revisions(connection)
    assert before.keys() == {one, two}
    add_cones(connection, "ann", one, parse_watchlist(["20, 20"]))
    after = watchlist_revisions(connection)
    assert after[one] != before[one]
    assert after[two] == before[two]
    change_list(connection, "ann", "watchlist", two, ListSettings(active=False))
    assert watchlist_revisions(connection).keys() == {one}
    change_list(connection, "ann", "watchlist", one, ListSettings(expire=datetime.now(UTC) - timedelta(seconds=1)))
    assert watchlist_revisions(connection) == {}


def test_areas_and_deleted_ones(connection: psycopg.Connection[Any]) -> None:
    area = create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
    other = create_area(connection, "ann", "other", cone_area(20.0, -40.0, 1.0, order=8))
    assert area_revisions(connection).keys() == {area, other}
    delete_list(connection, "ann", "area", other)
    assert area_revisions(connection).keys() == {area}
    assert sky_map_revisions(connection) == []

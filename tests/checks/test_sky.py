"""Checks of indices and files find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sky.lists import (
    create_area,
    create_watchlist,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def test_checks_find_what_is_wrong(platform: Any, follow: Callable[[], list[str]]) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10", "359.999, 89.99"]), radius=9)
        create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
    follow()
    # behind the back of the revisions
    platform.execute("UPDATE watchlist_cones SET ra = 11 WHERE ra = 10")
    platform.execute("UPDATE areas SET moc_version = 'other'")
    for path in ObjectStore.of(platform.settings).path("watchlists", f"wl_{watchlist}").glob("*/moc000.fits"):
        path.write_bytes(b"damaged")
    from broker_assets.checks.sky import areas_equal, cones_equal, mocs_cover, recall

    with engine.connect(platform.database.url) as connection:
        assert not cones_equal(connection, platform.settings.sky).passed
        assert not areas_equal(connection, platform.settings.sky).passed
        assert not mocs_cover(connection, ObjectStore.of(platform.settings)).passed
        assert recall(connection, platform.settings.sky).passed
        assert not cones_equal(connection, platform.settings.sky / "elsewhere").passed

"""Changed lists reach indices, hits and files, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from followed_lists import add_objects
from mocpy import MOC

from broker_assets.database import engine
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database


def test_lists_are_followed(platform: Any, follow: Callable[[], list[str]]) -> None:
    add_objects(platform, [(10.0, 10.0), (20.0, 10.0), (200.0, -40.0)])
    assert follow() == []
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(
            connection, "ann", "list", parse_watchlist(["10, 10, here", "50, 10, there"]), radius=5.0
        )
        area = create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
        done = follow()
        assert done == ["match_lists", f"area:{area}", f"watchlist:{watchlist}"]
        assert platform.query("SELECT diaobjectid, name FROM watchlist_hits") == [(1, "here")]
        assert platform.query("SELECT diaobjectid FROM area_hits") == [(3,)]
        store = ObjectStore.of(platform.settings)
        _, files = read_published(store.path("watchlists", f"wl_{watchlist}"))
        assert sorted(files) == ["moc000.fits", "watchlist.csv"]
        _, files = read_published(store.path("areas", f"ar_{area}"))
        assert MOC.from_fits(io.BytesIO(files["moc000.fits"])) == cone_area(200.0, -40.0, 1.0, order=8)
        assert follow() == []
        index = platform.versions("cone_index")

        # a cone more: that list only, and of the indices that of cones only changes
        areas = platform.versions("area_index")
        add_cones(connection, "ann", watchlist, parse_watchlist(["20, 10, second"]))
        done = follow()
        assert done == ["match_lists", f"watchlist:{watchlist}"]
        assert platform.versions("cone_index") != index
        assert platform.versions("area_index") == areas
        assert platform.query("SELECT diaobjectid, name FROM watchlist_hits ORDER BY 1") == [(1, "here"), (2, "second")]

        # another name changes no cone, and no index
        index = platform.versions("cone_index")
        change_list(connection, "ann", "watchlist", watchlist, ListSettings(name="new name"))
        follow()
        assert platform.versions("cone_index") == index

        # a cone less
        [(cone,)] = connection.execute("SELECT cone_id FROM watchlist_cones WHERE name = 'here'").fetchall()
        delete_cones(connection, "ann", watchlist, [cone])
        follow()
        assert platform.query("SELECT diaobjectid FROM watchlist_hits") == [(2,)]

        # expired lists leave the index and lose their files, deleted ones their partitions
        past = datetime.now(UTC) - timedelta(seconds=1)
        change_list(connection, "ann", "area", area, ListSettings(expire=past))
        delete_list(connection, "ann", "watchlist", watchlist)
        done = follow()
        assert done == ["match_lists"]
        assert platform.query("SELECT active FROM areas") == [(False,)]
        assert platform.instance.get_dynamic_partitions("watchlists") == []
        assert not store.path("watchlists", f"wl_{watchlist}").exists()
        assert not store.path("areas", f"ar_{area}").exists()
        assert follow() == []

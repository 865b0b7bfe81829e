"""Objects inside lists, as pages show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sky_lists import insert_objects

from broker_assets.database import engine
from broker_assets.sky import hit_tables
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def test_hits_come_with_their_objects(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        one, two, three = insert_objects(connection, np.array([1.0, 2.0, 3.0]), np.zeros(3)).tolist()
        number = create_watchlist(connection, "ann", "w", parse_watchlist(["1, 0, first"]), radius=5)
        cone = connection.execute("SELECT cone_id FROM watchlist_cones").fetchone()
        assert cone is not None
        connection.execute(
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name) VALUES (%s, %s, %s, 0.5, 'first')",
            (one, cone[0], number),
        )
        connection.execute("INSERT INTO area_hits (diaobjectid, ar_id) VALUES (%s, 4), (%s, 4)", (one, two))
        for identifier, density, distance in ((one, 1.0, 0.5), (two, 4.0, None), (three, 0.001, None)):
            connection.execute(
                "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, probdens2, probdens3)"
                " VALUES (%s, 8, 50, %s, %s)",
                (identifier, density, distance),
            )
        [hit] = hit_tables.watchlist_hits(connection, number)
        assert (hit["diaobjectid"], hit["name"], hit["arcsec"], hit["ra"]) == (one, "first", 0.5, 1.0)
        assert [row["diaobjectid"] for row in hit_tables.area_hits(connection, 4, limit=1)] == [one]
        assert len(hit_tables.area_hits(connection, 4)) == 2
        assert hit_tables.watchlist_hits(connection, 99) == []
        assert list(hit_tables.last_hit(connection, "watchlist", "ann")) == [number]
        assert hit_tables.last_hit(connection, "watchlist", "bob") == {}
        ranked: list[dict[str, Any]] = hit_tables.ranking(connection, 8)
        assert [(row["diaobjectid"], row["rank"], row["with_distance"]) for row in ranked] == [
            (one, 1.0, True),
            (two, 1.0, False),
        ]

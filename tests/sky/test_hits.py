"""What is stored of hits becomes what holds now, and only the difference is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from sky_lists import brute_force, cones, insert_objects, near, stored

from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.changes import BEFORE_ALL, cone_changes, index_of_rows
from broker_assets.sky.cones import ConeIndex
from broker_assets.sky.hits import Origin, Positions, write_cone_hits
from broker_assets.sky.lists import ListSettings, change_list, create_watchlist, delete_cones

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]


def index_now(connection: Connection) -> ConeIndex:
    """All cones that are matched."""
    return index_of_rows(cone_changes(connection, BEFORE_ALL, current_revision(connection)).added)


@pytest.fixture
def positions(connection: Connection) -> Positions:
    """Objects near the cones of a list, and the list."""
    mine = cones(200, 1)
    create_watchlist(connection, "ann", "mine", mine, radius=100.0)
    ra, dec = near(mine, 9)
    return Positions(insert_objects(connection, ra, dec), ra, dec)


def test_the_same_again_writes_nothing(connection: Connection, positions: Positions) -> None:
    index = index_now(connection)
    with connection.transaction():
        written = write_cone_hits(connection, index, positions, Origin("first", 1))
    hits = stored(connection, "watchlist_hits", "cone_id")
    assert hits == brute_force(connection)
    assert written == len(hits) > 20
    with connection.transaction():
        assert write_cone_hits(connection, index, positions, Origin("second", 2)) == 0
    rows = connection.execute("SELECT DISTINCT index_version, ingestid FROM watchlist_hits").fetchall()
    assert rows == [("first", 1)], "who found a hit is not who looked last"


def test_what_an_index_does_not_know_stays(connection: Connection, positions: Positions) -> None:
    index = index_now(connection)
    with connection.transaction():
        write_cone_hits(connection, index, positions, Origin("whole"))
    before = stored(connection, "watchlist_hits", "cone_id")
    rows = cone_changes(connection, BEFORE_ALL, current_revision(connection)).added
    half = index_of_rows(rows.slice(0, 100))
    away = Positions(positions.diaobjectid, np.mod(positions.ra + 180.0, 360.0), -positions.dec)
    with connection.transaction():
        write_cone_hits(connection, half, away, Origin("half"))
    known = set(half.cone.tolist())
    assert stored(connection, "watchlist_hits", "cone_id") == {hit for hit in before if hit[1] not in known}


def test_an_index_that_is_older_than_the_lists_writes_no_hit_of_what_is_gone(
    connection: Connection, positions: Positions
) -> None:
    index = index_now(connection)
    gone = sorted({cone for _, cone in brute_force(connection)})[:5]
    [(watchlist,)] = connection.execute("SELECT wl_id FROM watchlists").fetchall()
    delete_cones(connection, "ann", watchlist, gone)
    with connection.transaction():
        write_cone_hits(connection, index, positions, Origin("old"))
    assert stored(connection, "watchlist_hits", "cone_id") == brute_force(connection)
    change_list(connection, "ann", "watchlist", watchlist, ListSettings(active=False))
    connection.execute("DELETE FROM watchlist_hits")
    with connection.transaction():
        assert write_cone_hits(connection, index, positions, Origin("old")) == 0

"""Hits of the stream: in the transaction of the batch, with the index in force, and again for a night."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.matching import AREAS, CONES, HitCounts, SkyMatcher, rematch_night

pytestmark = pytest.mark.database


def test_a_batch_is_matched_with_what_is_in_force(database_url: str, tmp_path: Path) -> None:
    matcher = SkyMatcher(tmp_path)
    night = np.datetime64("2026-11-20", "D")
    with engine.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 10.0, 10.0), (2, 1, 200.0, -40.0)"
        )

        def write(ingestid: int) -> HitCounts:
            with connection.transaction():
                objects = np.array([1, 2, 1], np.int64)
                return matcher.write(connection, ingestid, objects, pa.array(np.full(3, night)))

        assert write(1) == HitCounts()
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10, here", "11, 10, there"]), radius=5.0)
        create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
        connection.commit()
        refresh_cone_index(connection, tmp_path / CONES)
        refresh_area_index(connection, tmp_path / AREAS)
        assert write(2) == HitCounts(watchlists=1, areas=1)
        assert write(3) == HitCounts()
        row = connection.execute("SELECT diaobjectid, name, ingestid, night::text FROM watchlist_hits").fetchone()
        assert row == (1, "here", 2, "2026-11-20")


def test_hits_roll_back_with_their_batch(database_url: str, tmp_path: Path) -> None:
    matcher = SkyMatcher(tmp_path)
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 10.0, 10.0)")
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10, here"]), radius=5.0)
        connection.commit()
        refresh_cone_index(connection, tmp_path / CONES)
        with connection.transaction(force_rollback=True):
            night = pa.array(np.array(["2026-11-20"], "datetime64[D]"))
            assert matcher.write(connection, 1, np.array([1]), night) == HitCounts(watchlists=1)
        assert connection.execute("SELECT count(*) FROM watchlist_hits").fetchone() == (0,)


def test_a_night_is_matched_again(database_url: str, tmp_path: Path) -> None:
    matcher = SkyMatcher(tmp_path)
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 10, 10), (2, 1, 10, 10)")
        connection.execute(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, night)"
            " VALUES (5, 1, 61000.1, 1, '2025-11-20'), (6, 2, 61001.1, 1, '2025-11-21')"
        )
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10, here"]), radius=5.0)
        connection.commit()
        refresh_cone_index(connection, tmp_path / CONES)
        assert rematch_night(connection, matcher, "2025-11-20") == HitCounts(watchlists=1)
        assert connection.execute("SELECT diaobjectid, night::text FROM watchlist_hits").fetchall() == [
            (1, "2025-11-20")
        ]

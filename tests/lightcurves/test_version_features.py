"""Features of a version are those of the points that count in it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from reduced_photometry import reduced

from broker_assets.database import engine
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.features import features
from broker_assets.lightcurves.version_features import version_features
from broker_assets.settings import FeatureSettings

pytestmark = pytest.mark.database
MEMBERS = {1: 1, 2: 1, 101: 1}


def computed(connection: psycopg.Connection[Any], number: int, members: dict[int, int], priorities: Any) -> list[Any]:
    reductions = None if priorities is None else {"detections": priorities, "forced": priorities}
    return version_features(connection, number, members, reductions, FeatureSettings()).to_pylist()


def test_points_of_the_highest_priority_count(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        reduced(connection)
        said, both, alone = (computed(connection, 1, MEMBERS, one)[0] for one in (None, {0: 0, 1: 10}, {1: 0}))
        assert [one["nrSources"] for one in (said, both, alone)] == [5, 6, 3]
        assert [one["diaSourceId"] for one in (said, both, alone)] == [10060, 10060, 10030]
        # The same functions as for alerts, of the same points.
        days, flux = [61000.0 + day for day in range(3)], [2001.0, 2002.0, 2003.0]
        points = [Points.of(1, [0] * 3, days, flux, [2] * 3) for _ in range(2)]
        wanted = features(LightCurves.of(*points)).to_pylist()[0]
        for name, column in (("latest_psfFlux", "latest_psfflux"), ("jump1", "jump1"), ("medianR", "medianr")):
            assert alone[name] == wanted[column], name
        assert alone["ebv"] > 0
        assert computed(connection, 3, {3: 1}, {1: 0}) == []

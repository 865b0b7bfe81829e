"""Jumps against the formulas in plain Python."""

from __future__ import annotations

import numpy as np
from feature_formulas import Point, differences
from feature_formulas import jumps as plain

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.jumps import jumps


def test_jumps_equal_the_formulas(objects: list[list[Point]], curves: LightCurves) -> None:
    expected = [plain(points) for points in objects]
    assert differences(expected, jumps(curves)) == []
    assert sum(row["jump2"] > 0 for row in expected) > 10


def test_the_newest_source_jumps_and_a_constant_sample_does_not() -> None:
    days = np.append(np.arange(61000.0, 61020.0), 61040.0)
    noise = np.append(np.tile([99.0, 101.0], 10), 200.0)
    flat = np.append(np.full(20, 0.1), 5.0)
    points = Points.of(2, np.repeat([0, 1], 21), np.tile(days, 2), np.append(noise, flat), np.ones(42))
    found = jumps(LightCurves.of(points))
    np.testing.assert_allclose(found["jump1"], [100 / np.std(noise[:20], ddof=1), 0.0])


def test_an_object_without_sources_has_no_jump() -> None:
    assert np.isnan(jumps(LightCurves.of(Points.none(1)))["jump1"]).all()

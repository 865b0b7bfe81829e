"""Pairs against the formulas in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from feature_formulas import Point, differences
from feature_formulas import pairs as plain

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.pairs import colour_temperature, pairs
from broker_assets.lightcurves.photometry import black_body


def test_pairs_equal_the_formulas(objects: list[list[Point]], curves: LightCurves) -> None:
    expected = [plain(points, float(ebv)) for points, ebv in zip(objects, curves.ebv, strict=True)]
    assert differences(expected, pairs(curves)) == []
    assert sum(row["penultimatepairmjd"] is not None for row in expected) > 5


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_order_of_the_bands_does_not_matter(order: tuple[int, int]) -> None:
    flux = {1: 5000.0, 2: 6000.0}
    points = Points.of(1, [0, 0], [61000.0, 61000.0 + 20 / 1440], [flux[band] for band in order], order)
    found = pairs(LightCurves.of(points))
    assert found["latestpaircolourmag"][0] == pytest.approx(0.197953, abs=1e-6)
    assert found["latestpaircolourbands"][0] == "g-r"
    assert found["latestpaircolourtemp"][0] == pytest.approx(6.892144, abs=1e-6)


def test_temperatures_are_found_again() -> None:
    for temperature in np.linspace(3.0, 22.0, 40):
        ratio = black_body(1, temperature) / black_body(3, temperature)
        assert colour_temperature(1, 3, ratio) == pytest.approx(temperature, rel=1e-4)
    assert np.isnan(colour_temperature(1, 3, 1e9))
    assert np.isnan(colour_temperature(1, 3, black_body(1, 25.0) / black_body(3, 25.0)))  # Newton leaves the axis

"""Polygons with long sides along meridians, which the library's own reader gets wrong; others are in `test_shapes`."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from broker_assets.sky.polygons import polygon_moc


def vectors(lon: list[float], lat: list[float]) -> np.ndarray:
    longitude, latitude = np.radians(lon), np.radians(lat)
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=1)


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-4, 0.01, 0.3, 2.0])
@pytest.mark.parametrize("order", [0, 3, 8])
def test_long_sides_along_meridians(tilt: float, order: int) -> None:
    moc = polygon_moc(vectors([3, 357, 357 + tilt, 3 + tilt], [-40, -40, 40, 40]), order=order)
    lat = np.linspace(-39.9, 39.9, 500)
    for lon in (357.5, 0.0, 2.9):
        middle = lon + tilt * (lat + 40) / 80
        assert moc.contains_lonlat(middle % 360 * u.deg, lat * u.deg).all()
    cell = 58.6 / 2**order
    for lon, where in ((0.0, 40 + 3 * cell), (0.0, -40 - 3 * cell), (10 + 3 * cell, 0.0), (350 - 3 * cell, 0.0)):
        if abs(where) < 90 and cell < 60:
            assert not moc.contains_lonlat([lon % 360] * u.deg, [where] * u.deg).any()
    assert moc.max_order == order


def test_crossing_sides_follow_the_even_odd_rule() -> None:
    moc = polygon_moc(vectors([0, 4, 4, 0], [0, 4, 0, 4]), order=9)
    assert moc.contains_lonlat([0.7, 3.3, 2.0, 2.0] * u.deg, [2.0, 2.0, 0.7, 3.3] * u.deg).tolist() == [
        True, True, False, False,
    ]  # fmt: skip


def test_small_polygons_at_the_deepest_order() -> None:
    size = 1e-7
    moc = polygon_moc(vectors([10, 10 + size, 10], [20, 20, 20 + size]), order=29)
    assert moc.contains_lonlat([10 + size / 4] * u.deg, [20 + size / 4] * u.deg).all()
    assert moc.sky_fraction * 41252.96 < 10 * size**2

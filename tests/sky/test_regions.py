"""Regions as areas."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.regions import cone_area, polygon_area, region_area
from broker_assets.sky.separation import separation


def test_cone_covers_its_circle() -> None:
    random = np.random.default_rng(0)
    ra, dec = random.uniform(0, 360, 200_000), np.degrees(np.arcsin(random.uniform(-1, 1, 200_000)))
    inside = cone_area(0.1, 89.0, 3.0, order=10).contains_lonlat(ra * u.deg, dec * u.deg)
    distance = separation(0.1, 89.0, ra, dec) / 3600
    assert inside[distance <= 3.0].all()
    assert not inside[distance > 3.1].any()


def test_polygon_across_the_wrap_and_in_either_sense() -> None:
    ra, dec = [359.0, 1.0, 1.0, 359.0], [-1.0, -1.0, 1.0, 1.0]
    moc = polygon_area(ra, dec, order=10)
    assert moc.contains_lonlat([0.0, 359.5, 2.0, 180.0] * u.deg, [0.0, 0.5, 0.0, 0.0] * u.deg).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert polygon_area(ra[::-1], dec[::-1], order=10) == moc


@pytest.mark.parametrize(
    "text",
    [
        "CIRCLE ICRS 10.0 20.0 1.0",
        "icrs; circle(10d, 20d, 1d)",
        'fk5; circle(10d, 20d, 3600")',
        "# Region file format: DS9\nicrs\ncircle(10d,20d,1d)\ncircle(10.1d,20d,0.1d)",
    ],
)
def test_forms_of_one_circle(text: str) -> None:
    moc = region_area(text, order=9)
    assert moc.contains_lonlat([10.0, 12.0] * u.deg, [20.0, 20.0] * u.deg).tolist() == [True, False]


def test_excluded_regions_are_taken_away() -> None:
    moc = region_area("icrs\ncircle(10d,20d,2d)\n-circle(10d,20d,1d)", order=9)
    assert moc.contains_lonlat([10.0, 11.6] * u.deg, [20.0, 20.0] * u.deg).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty text"),
        ("hello", "not understood"),
        ("CIRCLE ICRS ten", "STC-S"),
        ("image; circle(10, 20, 5)", "pixels"),
        ("circle(10, 20, 1)", "coordinate frame was not found"),
        ("icrs\ncircle(10d,20d,1d)\nrubbish(1d,2d)", r'unable to parse line "rubbish\(1d,2d\)"'),
        ("icrs\ncircle(10d,20d,1d)\nvector(1d,2d,3d,4)\nvector(1d,2d,3d,4)", "not supported .* 1 more"),
        ("icrs\ncircle(10d,20d,1d)\npoint(1d,2d)", "PointSkyRegion is a point"),
        ("icrs\ncircle(10d,20d,1d)\ntext(1d,2d) # text={here}", "TextSkyRegion is a point or label"),
        ("icrs\nline(1d,1d,2d,2d)", "LineSkyRegion cannot be an area; circle"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        region_area(text, order=9)


def test_refuses_impossible_shapes() -> None:
    with pytest.raises(NotAnArea, match="radius"):
        cone_area(0.0, 0.0, 0.0, order=9)
    with pytest.raises(NotAnArea, match="declination"):
        cone_area(0.0, 100.0, 1.0, order=9)
    with pytest.raises(NotAnArea, match="three different corners"):
        polygon_area([1.0, 2.0, 1.0], [1.0, 2.0, 1.0], order=9)

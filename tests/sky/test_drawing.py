"""Pixels of the map and positions."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.drawing import FIELDS, HEIGHT, WIDTH, DrawingMap, _galactic_plane, drawing_svg


@given(
    st.floats(0, 359.9), st.floats(-80, 80), st.sampled_from(FIELDS[1:]), st.integers(0, WIDTH), st.integers(0, HEIGHT)
)
def test_a_pixel_is_where_its_position_is(ra: float, dec: float, field: float, x: int, y: int) -> None:
    where = DrawingMap(ra, dec, field)
    found = where.position(x, y)
    if abs(found[1]) < 90 and field / max(np.cos(np.radians(dec)), 0.02) < 360:
        assert where.pixel(*found) == pytest.approx((x, y), abs=0.3)


def test_the_whole_sky_is_on_the_map() -> None:
    assert DrawingMap().position(WIDTH, HEIGHT) == (0.0, -90.0)
    assert DrawingMap().position(540, 90) == (90.0, 45.0)
    assert DrawingMap(0.0, 0.0, 20.0).position(0, 180) == (10.0, 0.0)


def test_the_galactic_plane_is_that_of_astropy() -> None:
    ra, dec = zip(*_galactic_plane(), strict=True)
    latitude = SkyCoord(list(ra) * u.deg, list(dec) * u.deg).galactic.b.deg
    assert np.abs(latitude).max() < 1e-3


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("dec", [-90.0, 0.0, 88.0])
def test_a_drawing_is_well_formed_and_small(field: float, dec: float) -> None:
    text = drawing_svg(DrawingMap(0.0, dec, field), [(359.0, dec), (1.0, dec), (0.0, max(dec - 1, -90))])
    drawing = ET.fromstring(text)  # noqa: S314 - our own
    assert len(text) < 60_000
    assert len(drawing.findall("{*}polygon")) == 1
    labels = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert 2 <= len(labels) <= 120

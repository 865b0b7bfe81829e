"""Regions that a map can draw, and which part of the sky shows them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC

from broker_assets.sky.marked_field import MarkedField, Point, field_of, region_of, tangent


def cone(ra: float, dec: float, radius: float, order: int = 10) -> MOC:
    """A cone, degrees."""
    return MOC.from_cone(Longitude(ra * u.deg), Latitude(dec * u.deg), radius=radius * u.deg, max_depth=order)


def test_a_fine_region_is_made_coarser_and_keeps_what_it_covers() -> None:
    moc = cone(10.0, 20.0, 5.0, 12)
    region = region_of(moc, "a", most=200)
    drawn = MOC.from_json(region.cells)
    assert sum(map(len, region.cells.values())) <= 200 < len(moc.uniq_hpx)
    assert moc.difference(drawn).empty()
    fine = region_of(moc, "a", most=10**6)
    assert MOC.from_json(fine.cells) == moc


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (359.9, -60.0), (180.0, 89.0)])
def test_the_field_holds_the_region(ra: float, dec: float) -> None:
    middle_ra, middle_dec, width = field_of(cone(ra, dec, 1.0))
    assert abs((middle_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec)) < 0.05
    assert middle_dec == pytest.approx(dec, abs=0.05)
    assert 2.0 < width < 3.0


def test_empty_and_very_large_regions_have_the_whole_sky() -> None:
    assert field_of(MOC.new_empty(3)) == (0.0, 0.0, 180.0)
    assert field_of(cone(10.0, 10.0, 80.0, 5)) == (0.0, 0.0, 180.0)


def test_what_is_behind_has_no_place() -> None:
    field = MarkedField(0.0, 90.0, 1.0)
    assert tangent(field, 123.0, -90.0) is None
    assert tangent(field, 0.0, 89.9) == pytest.approx((0.0, -0.1), abs=1e-5)


def test_the_document_is_plain() -> None:
    field = MarkedField(1.0, 2.0, 3.0, (Point(1.0, 2.0, "a"),))
    assert field.document()["points"][0] == {
        "ra": 1.0, "dec": 2.0, "name": "a", "kind": "object", "link": "", "detail": "",
    }  # fmt: skip

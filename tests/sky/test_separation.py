"""Separations on the sphere against astropy, and positions that are none."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.separation import check_positions, separation

RA = st.floats(-400, 800, allow_subnormal=False)
DEC = st.floats(-90, 90, allow_subnormal=False)


@given(RA, DEC, RA, DEC)
def test_equal_astropy(ra: float, dec: float, other_ra: float, other_dec: float) -> None:
    one = SkyCoord(np.mod(ra, 360) * units.deg, dec * units.deg)
    other = SkyCoord(np.mod(other_ra, 360) * units.deg, other_dec * units.deg)
    found = float(separation(np.array([ra]), np.array([dec]), np.array([other_ra]), np.array([other_dec]))[0])
    assert found == pytest.approx(one.separation(other).arcsec, rel=1e-9, abs=1e-6)


@given(RA, DEC, st.floats(1e-4, 3600.0), st.floats(0, 360))
def test_small_distances_keep_their_digits(ra: float, dec: float, arcsec: float, angle: float) -> None:
    """Near the poles and across right ascension 0 as well."""
    start = SkyCoord(np.mod(ra, 360) * units.deg, dec * units.deg)
    end = start.directional_offset_by(angle * units.deg, arcsec * units.arcsec)
    found = separation(*(np.array([value]) for value in (start.ra.deg, start.dec.deg, end.ra.deg, end.dec.deg)))
    assert float(found[0]) == pytest.approx(arcsec, rel=1e-6, abs=1e-7)


def test_is_symmetric_and_zero_for_the_same_place() -> None:
    random = np.random.default_rng(1)
    ra, dec = random.uniform(0, 360, (2, 100)), np.degrees(np.arcsin(random.uniform(-1, 1, (2, 100))))
    there, back = separation(ra[0], dec[0], ra[1], dec[1]), separation(ra[1], dec[1], ra[0], dec[0])
    assert there == pytest.approx(back, rel=1e-12)
    assert separation(ra[0], dec[0], ra[0] + 360, dec[0]).max() < 1e-6
    assert separation(np.array([0.0]), np.array([-90.0]), np.array([7.0]), np.array([90.0]))[0] == 180 * 3600


@given(st.lists(RA, min_size=1, max_size=9))
def test_right_ascensions_are_brought_into_the_circle(ra: list[float]) -> None:
    found, dec = check_positions(ra, [0.0] * len(ra))
    assert ((found >= 0) & (found < 360)).all()
    turns = (np.array(ra) - found) / 360
    assert turns == pytest.approx(np.rint(turns), abs=1e-9)
    assert dec.tolist() == [0.0] * len(ra)


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([1.0, 2.0], [0.0, 90.1], r"row 1 is outside \[-90, 90\]: 90.1"),
        ([1.0, np.nan], [0.0, 0.0], "row 1 is not finite: ra nan"),
        ([1.0, 2.0], [np.inf, 91.0], "row 0 is not finite"),
        ([1.0, 2.0], [0.0], "of one length"),
        ([[1.0]], [[0.0]], "one-dimensional"),
    ],
)
def test_what_is_no_position_is_named(ra: list[float], dec: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_positions(ra, dec)

"""Great-circle separations against astropy, and positions that are none."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.separation import ARCSEC_PER_RADIAN, check_positions, haversine, separation

RA = st.floats(-720.0, 720.0)
DEC = st.floats(-90.0, 90.0)


@given(st.lists(st.tuples(RA, DEC, RA, DEC), min_size=1, max_size=20))
def test_equals_astropy(rows: list[tuple[float, float, float, float]]) -> None:
    ra1, dec1, ra2, dec2 = np.array(rows).T
    expected = SkyCoord(ra1 * u.deg, dec1 * u.deg).separation(SkyCoord(ra2 * u.deg, dec2 * u.deg)).arcsec
    np.testing.assert_allclose(separation(ra1, dec1, ra2, dec2), expected, rtol=1e-9, atol=1e-6)


@given(RA, DEC, st.floats(1e-6, 10.0), st.floats(0.0, 2 * np.pi))
def test_small_offsets_keep_their_precision(ra: float, dec: float, arcsec: float, angle: float) -> None:
    """Down to a microarcsecond, at the poles as well."""
    start = SkyCoord(ra * u.deg, dec * u.deg)
    there = start.directional_offset_by(angle * u.rad, arcsec * u.arcsec)
    found = float(separation(ra, dec, there.ra.deg, there.dec.deg))
    # What 64-bit degrees can hold of the offset itself; next to a pole, Astropy's arcsine of almost one loses more.
    reference = 4e-16 / max(float(np.cos(there.dec.rad)), 1e-8) * 206_265
    assert found == pytest.approx(arcsec, rel=1e-6, abs=5e-9 * 3600 * 1e-3 + reference)


def test_the_compiled_form_is_the_same() -> None:
    random = np.random.default_rng(1)
    ra1, ra2 = random.uniform(0, 2 * np.pi, (2, 200))
    dec1, dec2 = np.arcsin(random.uniform(-1, 1, (2, 200)))
    half = np.array([haversine(*row) for row in zip(ra1, dec1, ra2, dec2, strict=True)])
    expected = separation(*(np.degrees(value) for value in (ra1, dec1, ra2, dec2)))
    np.testing.assert_allclose(2 * np.arcsin(np.sqrt(half)) * ARCSEC_PER_RADIAN, expected, rtol=1e-12)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=10))
def test_right_ascension_is_wrapped(ra: list[float]) -> None:
    wrapped, _ = check_positions(ra, np.zeros(len(ra)))
    assert ((wrapped >= 0) & (wrapped < 360)).all()
    turns = (np.asarray(ra) - wrapped) / 360
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)


@pytest.mark.parametrize(
    ("ra", "dec", "reason"),
    [
        ([1.0, np.nan], [0.0, 0.0], "row 1 is not finite"),
        ([1.0, 2.0], [np.inf, 0.0], "row 0 is not finite"),
        ([1.0, 2.0, 3.0], [0.0, 90.1, -91.0], r"row 1 is outside \[-90, 90\]: 90.1"),
        ([1.0, 2.0], [0.0], "equal length"),
        ([[1.0]], [[0.0]], "one-dimensional"),
    ],
)
def test_what_is_no_position_is_refused_with_its_row(ra: list[float], dec: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_positions(ra, dec)

"""Galactic coordinates against astropy."""

from __future__ import annotations

import numpy as np
from astropy.coordinates import SkyCoord

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.galactic import galactic, galactic_latitude


def test_coordinates_are_those_of_astropy() -> None:
    random = np.random.default_rng(1)
    ra, dec = random.uniform(0, 360, 500), np.degrees(np.arcsin(random.uniform(-1, 1, 500)))
    ra, dec = np.append(ra, [0.0, 360.0, 192.85948, 10.0]), np.append(dec, [90.0, -90.0, 27.1283, 0.0])
    longitude, latitude = galactic(ra, dec)
    expected = SkyCoord(ra, dec, unit="deg").galactic
    assert SkyCoord(longitude, latitude, unit="deg", frame="galactic").separation(expected).arcsec.max() < 0.3
    assert ((longitude >= 0) & (longitude < 360)).all()


def test_an_object_without_a_position_has_no_latitude() -> None:
    curves = LightCurves.of(Points.none(2), ra=np.array([192.85948, np.nan]), dec=np.array([27.1283, np.nan]))
    np.testing.assert_allclose(galactic_latitude(curves)["glat"], [90.0, np.nan])

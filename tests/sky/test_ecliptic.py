"""Ecliptic coordinates, against astropy."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord

from broker_assets.sky.ecliptic import ecliptic


def test_positions_all_over_the_sky() -> None:
    generator = np.random.default_rng(5)
    ra = [*generator.uniform(0, 360, 200), 0.0, 90.0, 270.0]
    dec = [*np.degrees(np.arcsin(generator.uniform(-1, 1, 200))), 90.0, -90.0, 66.5]
    wanted = SkyCoord(ra * u.deg, dec * u.deg).transform_to(BarycentricMeanEcliptic())
    found = np.array([ecliptic(*position) for position in zip(ra, dec, strict=True)])
    there = SkyCoord(found[:, 0] * u.deg, found[:, 1] * u.deg, frame=wanted.frame.replicate_without_data())
    # the frame bias is left out
    assert there.separation(wanted).max() < 0.03 * u.arcsec
    assert ((found[:, 0] >= 0) & (found[:, 0] < 360)).all()

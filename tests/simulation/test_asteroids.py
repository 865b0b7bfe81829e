"""Simulated asteroids move on Kepler orbits and say so consistently."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from broker_assets.simulation.asteroids import Asteroids, draw_asteroids, ephemeris, published_columns

EPOCH = 61_000.0
ROWS = np.arange(40)
KM_PER_AU = 149_597_870.7
SUN = 132_712_440_041.94
"""Heliocentric gravitational constant, km³/s² (IAU 2015)."""


@pytest.fixture(scope="module")
def belt() -> Asteroids:
    return draw_asteroids(len(ROWS), EPOCH, 5, np.random.default_rng(3))


def test_energy_and_angular_momentum_are_kept(belt: Asteroids) -> None:
    """Vis-viva gives the semi-major axis back, and the momentum the inclination, at any time."""
    for mjd in (EPOCH, EPOCH + 333.0, EPOCH + 4000.0):
        seen = ephemeris(belt, ROWS, np.full(len(ROWS), mjd))
        distance = np.linalg.norm(seen.helio, axis=1) * KM_PER_AU
        speed = np.linalg.norm(seen.helio_velocity, axis=1)
        axis = 1.0 / (2.0 / distance - speed**2 / SUN) / KM_PER_AU
        assert axis == pytest.approx(belt.axis, rel=1e-3)
        ecliptic = SkyCoord(
            *(np.cross(seen.helio, seen.helio_velocity).T), representation_type="cartesian", frame="icrs"
        ).transform_to("barycentricmeanecliptic")
        assert 90.0 - ecliptic.spherical.lat.deg == pytest.approx(belt.inclination, abs=0.01)


def test_an_orbit_closes_after_its_period(belt: Asteroids) -> None:
    period = belt.axis**1.5 * 365.2568983
    now = ephemeris(belt, ROWS, np.full(len(ROWS), EPOCH)).helio
    later = ephemeris(belt, ROWS, EPOCH + period).helio
    assert np.linalg.norm(later - now, axis=1).max() < 1e-3


def test_rates_are_those_of_the_positions(belt: Asteroids) -> None:
    step = 1.0 / 24.0
    before, after = (ephemeris(belt, ROWS, np.full(len(ROWS), EPOCH + sign * step / 2)) for sign in (-1, 1))
    now = ephemeris(belt, ROWS, np.full(len(ROWS), EPOCH))
    one = SkyCoord(before.ra * units.deg, before.dec * units.deg)
    other = SkyCoord(after.ra * units.deg, after.dec * units.deg)
    assert one.separation(other).deg / step == pytest.approx(np.hypot(now.rate_ra, now.rate_dec), rel=0.02)
    assert np.hypot(now.rate_ra, now.rate_dec).max() < 1.0, "the main belt moves less than a degree a day"


def test_geometry_and_brightness(belt: Asteroids) -> None:
    """At opposition an asteroid shines brighter than elsewhere; phase and elongation obey the triangle."""
    seen = ephemeris(belt, ROWS, np.full(len(ROWS), EPOCH))
    sun, earth = np.linalg.norm(seen.helio, axis=1), np.linalg.norm(seen.topo, axis=1)
    assert np.sin(np.radians(seen.phase)) * sun == pytest.approx(np.sin(np.radians(seen.elongation)), rel=1e-6)
    reduced = seen.magnitude - belt.absolute - 5 * np.log10(sun * earth)
    order = np.argsort(seen.phase)
    assert (np.diff(reduced[order]) > 0).all()
    assert reduced[order][0] >= 0


def test_published_records_agree_with_one_another(belt: Asteroids) -> None:
    mjd = np.full(len(ROWS), EPOCH + 10)
    seen = ephemeris(belt, ROWS, mjd)
    records = published_columns(belt, ROWS, mjd, np.arange(len(ROWS)), 0.1)
    source, orbit = records["ssSource"], records["mpc_orbits"]
    position = SkyCoord(seen.ra * units.deg, seen.dec * units.deg)
    assert np.asarray(source["galLon"]) == pytest.approx(position.galactic.l.deg, abs=1e-4)
    assert np.asarray(source["galLat"]) == pytest.approx(position.galactic.b.deg, abs=1e-4)
    assert source["eclipticLambda"] is source["eclLambda"]
    assert np.asarray(source["helioRange"]) == pytest.approx(np.linalg.norm(seen.helio, axis=1))
    assert np.asarray(orbit["q"]) == pytest.approx(belt.axis * (1 - belt.eccentricity))
    assert list(np.asarray(source["ssObjectId"])) == list(belt.identifier)
    names = [belt.designation(row) for row in range(25 * 24 * 2)]
    assert len(set(names)) == len(names)

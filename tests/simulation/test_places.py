"""Objects at real places: supernovae in galaxies of their redshift, variables on known stars."""

from __future__ import annotations

import numpy as np

from broker_assets.simulation.models import ECLIPSING, RR_LYRAE, SN_IBC, draw_catalogue
from broker_assets.simulation.places import Places, settled
from broker_assets.simulation.rubin import RubinPackets
from broker_assets.sky.separation import separation


def test_hosts_and_stars() -> None:
    generator = np.random.default_rng(3)
    count = 20_000
    places = Places(
        host_ra=generator.uniform(0, 360, count),
        host_dec=np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
        host_redshift=generator.uniform(0.001, 0.3, count),
        host_radius=generator.uniform(5, 60, count),
        star_ra=np.array([0.0, 100.0, 200.0]),
        star_dec=np.array([-30.0, -20.0, 80.0]),
    )
    instrument = RubinPackets().instrument
    before = draw_catalogue(instrument, 2_000, 61000.0, np.random.default_rng(1))
    after = settled(before, places, instrument.declinations, np.random.default_rng(2))
    moved = (before.ra != after.ra) | (before.dec != after.dec)
    supernova = before.kind <= SN_IBC
    variable = np.isin(before.kind, (RR_LYRAE, ECLIPSING))
    assert not moved[~supernova & ~variable].any()
    assert 0.4 < moved[variable].mean() < 0.6
    assert moved[supernova].mean() > 0.3
    for row in np.flatnonzero(moved & supernova):
        away = np.asarray(separation(after.ra[row], after.dec[row], places.host_ra, places.host_dec))
        host = int(np.argmin(np.where(places.host_redshift == after.redshift[row], away, np.inf)))
        assert away[host] <= places.host_radius[host] + 0.01
        assert abs(after.redshift[row] - before.redshift[row]) < 0.02
    for row in np.flatnonzero(moved & variable):
        away = np.asarray(separation(after.ra[row], after.dec[row], places.star_ra[:2], places.star_dec[:2]))
        assert away.min() < 1.0
    low, high = instrument.declinations
    assert (after.dec >= low).all()
    assert (after.dec <= high).all()


def test_without_places_nothing_moves() -> None:
    instrument = RubinPackets().instrument
    before = draw_catalogue(instrument, 100, 61000.0, np.random.default_rng(1))
    none = np.zeros(0)
    after = settled(
        before, Places(none, none, none, none, none, none), instrument.declinations, np.random.default_rng(2)
    )
    assert (after.ra == before.ra).all()

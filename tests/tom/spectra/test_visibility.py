"""What observatories see, against astropy's own transformation."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from broker_assets.tom.spectra.visibility import OBSERVATORIES, Observatory, airmass, visibility

JUNE = datetime.datetime(2026, 6, 21, 4, tzinfo=datetime.UTC)
PACHON = OBSERVATORIES[0]


def test_the_altitude_is_that_of_astropy() -> None:
    from astropy import units
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    positions = np.array([250.0, 300.0]), np.array([-60.0, 10.0])
    seen = visibility(PACHON, *positions, JUNE)
    assert seen.begin is not None
    assert seen.end is not None
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        place = EarthLocation(lon=PACHON.longitude * units.deg, lat=PACHON.latitude * units.deg)
        steps = int((seen.end - seen.begin) / datetime.timedelta(minutes=10)) + 1
        times = Time([(seen.begin + n * datetime.timedelta(minutes=10)).replace(tzinfo=None) for n in range(steps)])
        found = SkyCoord(*positions, unit="deg")[:, None].transform_to(AltAz(obstime=times[None, :], location=place))
    expected = airmass(np.asarray(found.alt.deg))
    assert seen.airmass == pytest.approx(np.nanmin(expected, axis=1), abs=0.01)
    assert seen.hours == pytest.approx((expected <= 2).sum(axis=1) / 6, abs=0.2)


def test_the_night_and_its_moon() -> None:
    from astropy import units
    from astropy.coordinates import AltAz, EarthLocation, get_sun
    from astropy.time import Time
    from astropy.utils import iers

    seen = visibility(PACHON, np.array([0.0]), np.array([0.0]), JUNE)
    assert seen.begin is not None
    assert seen.end is not None
    step = datetime.timedelta(minutes=10)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        place = EarthLocation(lon=PACHON.longitude * units.deg, lat=PACHON.latitude * units.deg)
        times = Time([one.replace(tzinfo=None) for one in (seen.begin - step, seen.begin, seen.end, seen.end + step)])
        altitudes = np.asarray(get_sun(times).transform_to(AltAz(obstime=times, location=place)).alt.deg)
    # Ten minutes are more than 1.5°.
    assert altitudes[[0, 3]].min() > -18.2
    assert altitudes[[1, 2]].max() < -17.8
    # First quarter is on the evening of the 21st.
    assert 0.35 < seen.moon < 0.5
    # The same night, asked for in the afternoon before.
    same = visibility(PACHON, np.array([0.0]), np.array([0.0]), JUNE - datetime.timedelta(hours=10))
    assert same.begin == seen.begin


def test_where_it_is_never_dark_nothing_is_seen() -> None:
    north = Observatory("north", 15.0, 78.0)
    seen = visibility(north, np.array([10.0, 20.0]), np.array([80.0, -80.0]), JUNE)
    assert seen.begin is None
    assert np.isnan(seen.airmass).all()
    assert list(seen.hours) == [0, 0]


def test_no_objects() -> None:
    seen = visibility(PACHON, np.empty(0), np.empty(0), JUNE)
    assert seen.airmass.shape == seen.hours.shape == seen.separation.shape == (0,)

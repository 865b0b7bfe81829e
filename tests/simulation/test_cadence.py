"""Fields that tile a footprint, and nights of visits that could be observed."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from astropy.coordinates import EarthLocation
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets.nights import night_of
from broker_assets.simulation.cadence import RUBIN, ZTF, Fields, Instrument, last_night, mjd_of, night_key, plan_night

INSTRUMENTS = st.sampled_from([RUBIN, ZTF])
DAYS = st.integers(61041, 61041 + 800)


@given(INSTRUMENTS, st.lists(st.tuples(st.floats(-10, 400), st.floats(-90, 90)), min_size=1, max_size=30))
def test_every_position_of_the_footprint_is_in_one_field(
    instrument: Instrument, positions: list[tuple[float, float]]
) -> None:
    fields = Fields(instrument)
    ra, dec = np.array(positions, dtype=np.float64).T
    found = fields.containing(ra, dec)
    low, high = instrument.declinations
    inside = (dec >= low) & (dec < high)
    assert ((found >= 0) == inside).all()
    near = found[inside]
    assert (np.abs(fields.dec[near] - dec[inside]) <= fields.height / 2 + 1e-9).all()
    row = np.searchsorted(fields.first, near, side="right") - 1
    apart = np.abs(np.mod(fields.ra[near] - ra[inside] + 180, 360) - 180)
    assert (apart <= 180.0 / fields.cells[row] + 1e-9).all()


@pytest.mark.parametrize("instrument", [RUBIN, ZTF])
def test_fields_have_about_the_area_of_the_camera(instrument: Instrument) -> None:
    fields = Fields(instrument)
    areas = 360.0 / np.repeat(fields.cells, fields.cells) * np.cos(np.radians(fields.dec)) * fields.height
    assert len(fields) == len(areas)
    assert np.abs(areas / instrument.field_size**2 - 1).max() < 0.25
    assert fields.containing(fields.ra, fields.dec.astype(np.float64)).tolist() == list(range(len(fields)))


@settings(max_examples=20, deadline=None)
@given(INSTRUMENTS, DAYS, st.integers(0, 2**32))
def test_visits_of_a_night(instrument: Instrument, day: int, seed: int) -> None:
    """In order, within the night of its key, each field twice half an hour apart in the two bands of a pair."""
    fields = Fields(instrument)
    visits = plan_night(instrument, fields, day, np.random.default_rng(seed))
    assert (np.diff(visits.mjd) > 0).all()
    assert visits.sequence.tolist() == list(range(1, len(visits) + 1))
    assert {str(night) for night in night_of(visits.mjd, instrument.name)} <= {night_key(day)}
    assert len(visits) > 0
    for field in np.unique(visits.field):
        rows = np.flatnonzero(visits.field == field)
        assert visits.repeat[rows].tolist() == [0, 1]
        assert tuple(visits.band[rows].tolist()) in instrument.pairs
        assert 30 < np.diff(visits.mjd[rows])[0] * 1440 < 40
    again = plan_night(instrument, fields, day, np.random.default_rng(seed))
    assert again.mjd.tolist() == visits.mjd.tolist()


def test_fields_are_observed_near_their_transit() -> None:
    """Local sidereal time from astropy; 3.5 h is the reach, and the visits of a night spread a little over it."""
    fields = Fields(RUBIN)
    visits = plan_night(RUBIN, fields, 61100, np.random.default_rng(1))
    times = Time(visits.mjd, format="mjd", scale="tai")
    place = EarthLocation.from_geodetic(RUBIN.longitude, -30.2446)
    sidereal = times.sidereal_time("mean", longitude=place.lon).deg
    hour_angle = np.mod(sidereal - fields.ra[visits.field] + 180, 360) - 180
    assert np.abs(hour_angle).max() / 15 < 6.0
    assert np.median(np.abs(hour_angle)) / 15 < 3.0


def test_keys_are_calendar_days() -> None:
    for day in (datetime.date(2026, 1, 1), datetime.date(2028, 2, 29)):
        assert night_key(mjd_of(day)) == day.isoformat()


@given(INSTRUMENTS, st.datetimes(datetime.datetime(2025, 1, 1), datetime.datetime(2030, 1, 1)))
def test_last_night_is_over_and_the_next_one_is_not_long_over(
    instrument: Instrument, moment: datetime.datetime
) -> None:
    now = moment.replace(tzinfo=datetime.UTC)
    night = last_night(now)
    midnight = datetime.datetime.combine(night + datetime.timedelta(days=1), datetime.time(), datetime.UTC)
    assert midnight + datetime.timedelta(hours=instrument.dawn) < now
    following = midnight + datetime.timedelta(days=1, hours=instrument.dawn)
    assert now < following + datetime.timedelta(hours=6)

import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.nights import night_of

NOON = {"rubin": "16:00:00", "elasticc": "16:00:00", "ztf": "20:00:00"}
"""Local noon at each observatory, UTC."""
surveys = st.sampled_from(sorted(NOON))


def bounds(night, survey):
    """First and first-not MJD (TAI) of a night."""
    return tuple(Time(f"{night + day}T{NOON[survey]}", scale="utc").tai.mjd for day in (0, 1))


@given(st.floats(58_000, 63_000), surveys)
def test_a_time_is_within_the_bounds_of_its_night(mjd, survey):
    start, end = bounds(night_of([mjd], survey)[0], survey)
    assert start <= mjd < end


@pytest.mark.parametrize(("survey", "noon"), NOON.items())
def test_nights_change_at_local_noon(survey, noon):
    change = Time(f"2024-03-05T{noon}", scale="utc").tai.mjd
    before, after = night_of([change - 1e-6, change + 1e-6], survey)
    assert (str(before), str(after)) == ("2024-03-04", "2024-03-05")


def test_bounds_are_half_open():
    start, end = bounds(np.datetime64("2024-03-05"), "rubin")
    assert night_of([start, end], "rubin").astype(str).tolist() == ["2024-03-05", "2024-03-06"]


def test_no_night_without_a_time():
    assert np.isnat(night_of([np.nan], "ztf")).all()


def test_unknown_survey():
    with pytest.raises(ValueError, match="gaia"):
        night_of([60000.0], "gaia")

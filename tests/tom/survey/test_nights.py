import datetime

import pytest

from broker_assets.tom.survey.nights import named_night, night_of, night_window

EVENING = datetime.date(2023, 12, 3)


def within(window, mjd):
    """Whether a detection of this time is in it: both ends are."""
    return window.start <= mjd <= window.through


@pytest.mark.parametrize("mjd", [60281.5000001, 60282.3, 60282.4999999])
def test_a_night_is_from_noon_to_noon(mjd):
    assert night_of(mjd) == EVENING
    assert within(night_window(EVENING), mjd)


def test_noon_belongs_to_one_night_only():
    assert not within(night_window(EVENING), 60281.5)
    assert within(night_window(EVENING), 60282.5)
    assert not within(night_window(EVENING + datetime.timedelta(days=1)), 60282.5)


@pytest.mark.parametrize("name", ["nite60282", "60282", "2023-12-04", "20231204"])
def test_names_of_nights(name):
    assert named_night(name) == 60282


@pytest.mark.parametrize("name", ["", "ALERTS", "602820", "2023-12-32", "NITE2023-12-04"])
def test_other_names(name):
    assert named_night(name) is None

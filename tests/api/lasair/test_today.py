"""Times, against astropy."""

from __future__ import annotations

import time

import pytest
from astropy.time import Time

from broker_assets.api.lasair.today import julian_year, mjd_tai, utc_text


@pytest.mark.parametrize("unix", [1_500_000_000.0, 1_780_000_000.25, 1_900_000_000.0])
def test_against_astropy(unix: float) -> None:
    moment = Time(unix, format="unix")
    assert mjd_tai(unix) == pytest.approx(moment.tai.mjd, abs=1e-8)
    assert julian_year(unix) == pytest.approx(moment.tai.jyear, abs=1e-8)
    assert utc_text(moment.tai.mjd) == Time(round(unix), format="unix").utc.strftime("%Y-%m-%d %H:%M:%S")


def test_now_is_now() -> None:
    assert mjd_tai() == pytest.approx(Time(time.time(), format="unix").tai.mjd, abs=1e-3)

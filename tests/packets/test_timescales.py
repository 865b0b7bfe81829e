import numpy as np
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.timescales import jd_utc_to_mjd_tai, tai_to_utc, unix_to_mjd_tai, utc_to_tai

MICROSECOND = 1e-6 / 86_400

# Since 1972, when UTC got whole leap seconds; their days (57203: 2015-06-30, 57753: 2016-12-31) among them.
days = st.one_of(
    st.floats(41_500, 62_000),
    st.sampled_from([57203.0, 57753.0, 57754.0]).flatmap(lambda day: st.floats(day - 0.1, day + 1.1)),
)


@given(st.lists(days, min_size=1, max_size=20))
def test_tai_is_that_of_astropy_to_the_microsecond(mjd):
    mjd = np.array(mjd)
    reference = Time(np.floor(mjd), mjd - np.floor(mjd), format="mjd", scale="utc").tai.mjd
    np.testing.assert_allclose(utc_to_tai(mjd), reference, rtol=0, atol=MICROSECOND)
    np.testing.assert_allclose(tai_to_utc(utc_to_tai(mjd)), mjd, rtol=0, atol=2 * MICROSECOND)


def test_julian_dates_of_ztf():
    jd = np.array([2458423.7139930, 2460229.9338542])
    reference = Time(jd, format="jd", scale="utc").tai.mjd
    np.testing.assert_allclose(jd_utc_to_mjd_tai(jd), reference, rtol=0, atol=MICROSECOND)


def test_unix_time():
    assert abs(unix_to_mjd_tai([1_700_000_000.25])[0] - Time(1_700_000_000.25, format="unix").tai.mjd) < MICROSECOND


def test_times_that_cannot_be_are_nan():
    assert np.isnan(utc_to_tai([np.nan, np.inf, -np.inf, 0.0, 39_999.9, 100_000.1, 1e300])).all()
    assert utc_to_tai([]).shape == (0,)

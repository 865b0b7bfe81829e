"""Conversion of whole columns of times between UTC and TAI, with astropy's leap-second table.

The table and the arithmetic are ERFA's (`utctai`, `taiutc` of the IAU SOFA collection); `astropy.time` uses the same
routines, but takes half a second to import, which would slow down the command line.
"""

from __future__ import annotations

import time
import warnings

import erfa  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import ArrayLike, NDArray

from broker_assets.database.point_identity import sane_time

MJD_ZERO = 2400000.5
"""Julian date of MJD 0."""


def utc_to_tai(mjd_utc: ArrayLike) -> NDArray[np.float64]:
    """Convert modified Julian dates from UTC to TAI.

    Parameters
    ----------
    mjd_utc : (n,) array_like of float64
        Modified Julian date, UTC (quasi-MJD of SOFA on days with a leap second), days. NaN gives NaN.

    Returns
    -------
    (n,) float64 array
        Modified Julian date, TAI, days; accurate to the spacing of float64 (0.6 µs at MJD 60000).
        Times outside `MJD_MINIMUM` … `MJD_MAXIMUM` of `point_identity` give NaN.

    Examples
    --------
    >>> ((utc_to_tai([60000.0]) - 60000.0) * 86400).round(6)
    array([37.])
    """
    return _convert(erfa.utctai, mjd_utc)


def tai_to_utc(mjd_tai: ArrayLike) -> NDArray[np.float64]:
    """Convert modified Julian dates from TAI to UTC; the inverse of `utc_to_tai`, with the same limits.

    Examples
    --------
    >>> ((tai_to_utc([60000.0]) - 60000.0) * 86400).round(6)
    array([-37.])
    """
    return _convert(erfa.taiutc, mjd_tai)


def jd_utc_to_mjd_tai(jd_utc: ArrayLike) -> NDArray[np.float64]:
    """Convert Julian dates in UTC, as in ZTF, to modified Julian dates in TAI; see `utc_to_tai`.

    The difference to JD 2400000.5 is exact in float64, so nothing is lost beyond the 40 µs spacing of the Julian
    date itself.

    Parameters
    ----------
    jd_utc : (n,) float array
        Julian dates, UTC, days.

    Returns
    -------
    (n,) float64 array
        MJD TAI, days.
    """
    return utc_to_tai(np.asarray(jd_utc, dtype=np.float64) - MJD_ZERO)


def unix_to_mjd_tai(seconds: ArrayLike) -> NDArray[np.float64]:
    """Convert seconds since 1970-01-01 UTC (without leap seconds, as in POSIX) to modified Julian dates in TAI.

    Examples
    --------
    >>> unix_to_mjd_tai([1677283200.0]).round(6)
    array([60000.000428])
    """
    return utc_to_tai(np.asarray(seconds, dtype=np.float64) / 86_400.0 + 40_587.0)


def now_tai() -> float:
    """The present, MJD TAI: the scale of all times of detections and measurements."""
    return float(unix_to_mjd_tai([time.time()])[0])


def _convert(routine: np.ufunc, mjd: ArrayLike) -> NDArray[np.float64]:
    days = np.asarray(mjd, dtype=np.float64)
    result = np.full(days.shape, np.nan)
    sane = sane_time(days)
    if sane.any():
        whole = np.floor(days[sane])
        with warnings.catch_warnings():
            # ERFA calls years beyond its table "dubious"; simulated surveys are in the future, without leap seconds.
            warnings.simplefilter("ignore", erfa.ErfaWarning)
            first, second = routine(MJD_ZERO + whole, days[sane] - whole)
        result[sane] = (first - MJD_ZERO) + second
    return result

"""The present moment as astronomers write it."""

from __future__ import annotations

import datetime
import time

from broker_assets.packets.timescales import tai_to_utc, unix_to_mjd_tai


def mjd_tai(unix: float | None = None) -> float:
    """Modified Julian date, TAI, of a Unix time, or of now.

    Examples
    --------
    >>> round(mjd_tai(1_780_000_000.0), 5)
    61188.85228
    """
    return float(unix_to_mjd_tai([time.time() if unix is None else unix])[0])


def julian_year(unix: float | None = None) -> float:
    """Julian year of a Unix time, or of now: 2000 + (JD − 2451545) / 365.25.

    Examples
    --------
    >>> round(julian_year(946_728_000.0), 3)
    2000.0
    """
    return 2000.0 + (mjd_tai(unix) - 51_544.5) / 365.25


def utc_text(mjd: float) -> str:
    """UTC of a modified Julian date in TAI, to the second.

    Examples
    --------
    >>> utc_text(61188.85228)
    '2026-05-28 20:26:40'
    """
    seconds = (float(tai_to_utc([mjd])[0]) - 40_587.0) * 86_400.0
    return f"{datetime.datetime.fromtimestamp(round(seconds), datetime.UTC):%Y-%m-%d %H:%M:%S}"

"""Observing nights: half-open intervals between local noons at each survey's observatory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broker_assets.packets.timescales import tai_to_utc

NOON_UTC_HOURS: Final[dict[str, float]] = {"rubin": 16.0, "elasticc": 16.0, "ztf": 20.0}
"""Local noon in hours UTC: Cerro Pachón (also simulated by ELAsTiCC) at a fixed UTC−4, Palomar at a fixed UTC−8."""

_MJD_OF_UNIX_EPOCH: Final = 40_587


def night_of(mjd_tai: ArrayLike, survey: str) -> NDArray[np.datetime64]:
    """The observing night of each time, named by the date of its evening.

    Parameters
    ----------
    mjd_tai : (n,) array_like of float64
        Modified Julian date, TAI, days.
    survey : str
        "rubin", "ztf" or "elasticc".

    Returns
    -------
    (n,) datetime64[D] array
        Local date of the noon that begins the night. NaT if the time is not finite or not plausible.

    Raises
    ------
    ValueError
        If the survey is unknown.

    Examples
    --------
    >>> noon = 60000 + 16 / 24 + 37 / 86400
    >>> night_of([noon - 1e-6, noon + 1e-6], "rubin")
    array(['2023-02-24', '2023-02-25'], dtype='datetime64[D]')
    """
    days = np.floor(tai_to_utc(mjd_tai) - _noon(survey) / 24.0)
    finite = np.isfinite(days)
    night = np.full(days.shape, np.datetime64("NaT", "D"))
    night[finite] = (days[finite].astype(np.int64) - _MJD_OF_UNIX_EPOCH).astype("datetime64[D]")
    return night


def _noon(survey: str) -> float:
    try:
        return NOON_UTC_HOURS[survey]
    except KeyError:
        raise ValueError(f"unknown survey {survey!r}; known: {', '.join(NOON_UTC_HOURS)}") from None

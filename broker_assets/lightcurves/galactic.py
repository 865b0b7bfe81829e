"""Galactic coordinates."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.lightcurves.curves import LightCurves

GALACTIC_VERSION = "1"

POLE: Final = (192.85948, 27.1283)
"""North galactic pole, ICRS, degrees; ESA 1997, The Hipparcos and Tycho Catalogues (SP-1200), vol. 1, section 1.5.3."""
CELESTIAL_POLE: Final = 122.93192
"""Galactic longitude of the north celestial pole, degrees: 90° + 32.93192° of the same source."""


def galactic(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Galactic longitude and latitude.

    Parameters
    ----------
    ra, dec : (n,) float array
        ICRS, degrees; NaN is passed on.

    Returns
    -------
    l, b : (n,) float64 array
        Degrees, 0 ≤ l < 360.

    Examples
    --------
    >>> l, b = galactic([266.405], [-28.936])
    >>> bool(min(l[0], 360 - l[0]) < 0.001), bool(abs(b[0]) < 0.001)
    (True, True)
    """
    longitude, latitude = _galactic(np.ascontiguousarray(ra, np.float64), np.ascontiguousarray(dec, np.float64))
    return longitude, latitude


def galactic_latitude(curves: LightCurves) -> dict[str, NDArray[np.float64]]:
    """Galactic latitude of each object.

    Returns
    -------
    dict of str to (n,) float64 array
        `glat`: asin(sin δₙ·sin δ + cos δₙ·cos δ·cos(α − αₙ)) with the pole at αₙ = 192.85948°, δₙ = 27.1283°, degrees;
        NaN without a position.
    """
    return {"glat": galactic(curves.ra, curves.dec)[1]}


@njit(cache=True, nogil=True)
def _galactic(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    longitude, latitude = np.empty(ra.size), np.empty(ra.size)
    pole = math.radians(POLE[1])
    for row in range(ra.size):
        angle, height = math.radians(ra[row] - POLE[0]), math.radians(dec[row])
        up = math.sin(pole) * math.sin(height) + math.cos(pole) * math.cos(height) * math.cos(angle)
        latitude[row] = math.degrees(math.asin(min(max(up, -1.0), 1.0))) if up == up else math.nan
        across = math.sin(height) * math.cos(pole) - math.cos(height) * math.sin(pole) * math.cos(angle)
        along = math.cos(height) * math.sin(angle)
        longitude[row] = (CELESTIAL_POLE - math.degrees(math.atan2(along, across))) % 360.0
    return longitude, latitude

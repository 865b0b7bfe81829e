"""Great-circle separations and the validation of positions."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

ARCSEC_PER_RADIAN = 180.0 * 3600.0 / np.pi


def check_positions(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Validate positions and return contiguous arrays, with right ascension in [0, 360).

    Parameters
    ----------
    ra, dec : (n,) float array
        ICRS position, degrees.

    Returns
    -------
    ra, dec : (n,) float64 array
        The same positions; `ra` in [0, 360).

    Raises
    ------
    ValueError
        If the lengths differ, a value is not finite, or a declination is outside [-90, 90]; the message names the
        first such row.

    Examples
    --------
    >>> check_positions([-1.0, 360.0], [0.0, 90.0])[0]
    array([359.,   0.])
    """
    longitude = np.atleast_1d(np.asarray(ra, dtype=np.float64))
    latitude = np.ascontiguousarray(np.atleast_1d(np.asarray(dec, dtype=np.float64)))
    if longitude.ndim != 1 or longitude.shape != latitude.shape:
        raise ValueError(
            f"ra and dec must be one-dimensional and of equal length, not {longitude.shape} and {latitude.shape}"
        )
    bad = ~np.isfinite(longitude) | ~np.isfinite(latitude)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"position in row {row} is not finite: ra {longitude[row]}, dec {latitude[row]}")
    bad = np.abs(latitude) > 90.0
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"declination in row {row} is outside [-90, 90]: {latitude[row]}")
    wrapped = np.mod(longitude, 360.0)
    wrapped[wrapped >= 360.0] = 0.0  # a tiny negative angle rounds up to 360 itself
    return np.ascontiguousarray(wrapped), latitude


@njit(inline="always", cache=True)
def haversine(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Squared sine of half the separation of two positions in radians.

    The haversine form keeps full relative precision down to micro-arcseconds, where the cosine form loses it.
    """
    sine_dec = np.sin(0.5 * (dec2 - dec1))
    sine_ra = np.sin(0.5 * (ra2 - ra1))
    return float(sine_dec * sine_dec + np.cos(dec1) * np.cos(dec2) * sine_ra * sine_ra)


def separation(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> NDArray[np.float64]:
    """Great-circle separation.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float array, broadcast together
        ICRS positions, degrees.

    Returns
    -------
    (…) float64 array
        Separation, arcsec.

    Notes
    -----
    Haversine formula (R. W. Sinnott, Sky & Telescope 68, 159, 1984).

    Examples
    --------
    >>> separation(359.9999, 0.0, 0.0001, 0.0).round(6)
    np.float64(0.72)
    """
    first_ra, first_dec = np.radians(ra1), np.radians(dec1)
    second_ra, second_dec = np.radians(ra2), np.radians(dec2)
    half = np.sin(0.5 * (second_dec - first_dec)) ** 2 + np.cos(first_dec) * np.cos(second_dec) * (
        np.sin(0.5 * (second_ra - first_ra)) ** 2
    )
    result: NDArray[np.float64] = 2.0 * np.arcsin(np.sqrt(np.minimum(half, 1.0))) * ARCSEC_PER_RADIAN
    return result

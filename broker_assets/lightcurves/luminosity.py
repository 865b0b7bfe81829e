"""Distances of objects, and their brightest absolute magnitude."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.photometry import ZERO_POINT, dereddening, modulus

LUMINOSITY_VERSION = "1"


def distance_moduli(curves: LightCurves) -> NDArray[np.float64]:
    """Distance modulus of each object, with the correction for the width of the band.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.

    Returns
    -------
    (n,) float64 array
        mag. From the distance d in Mpc, 5·log₁₀(d·10⁶) − 5; else from the spectroscopic redshift z, else from the
        photometric one, `photometry.modulus(z)` − 2.5·log₁₀(1 + z). NaN if none is known.
    """
    return np.asarray(_moduli(curves.distance, curves.redshift, curves.photometric_redshift))


def luminosity(curves: LightCurves, moduli: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Brightest absolute magnitude of each object that may be an explosion.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.
    moduli : (n,) float64 array
        See `distance_moduli`.

    Returns
    -------
    dict of str to (n,) float64 array
        `absmag`: the least of 31.4 − 2.5·log₁₀(f) − µ over the sources of positive flux f, corrected for extinction,
        mag (AB); `absmagmjd`: time of that source, MJD TAI. NaN without distance or positive flux.
    """
    points = curves.sources
    brightest, time = _brightest(points.offsets, points.mjd, points.flux, points.band, curves.ebv)
    absolute = np.where(curves.explosive & (brightest > 0.0), ZERO_POINT - 2.5 * _log10(brightest) - moduli, math.nan)
    return {"absmag": absolute, "absmagmjd": np.where(np.isnan(absolute), math.nan, time)}


def _log10(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.where(values > 0.0, values, math.nan)))


@njit(cache=True, nogil=True, error_model="numpy")
def _moduli(
    distance: NDArray[np.float64], redshift: NDArray[np.float64], photometric: NDArray[np.float64]
) -> NDArray[np.float64]:
    result = np.full(distance.size, math.nan)
    for row in range(distance.size):
        if distance[row] > 0.0:
            result[row] = 5.0 * math.log10(distance[row] * 1e6) - 5.0
            continue
        z = redshift[row] if redshift[row] > 0.0 else photometric[row]
        if z > 0.0:
            result[row] = modulus(z) - 2.5 * math.log10(1.0 + z)
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _brightest(
    offsets: NDArray[np.int64],
    mjd: NDArray[np.float64],
    flux: NDArray[np.float64],
    band: NDArray[np.int8],
    ebv: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest corrected flux and its time; zero where none is positive."""
    objects = offsets.size - 1
    largest, time = np.zeros(objects), np.full(objects, math.nan)
    for row in range(objects):
        factors = dereddening(ebv[row])
        for at in range(offsets[row], offsets[row + 1]):
            if band[at] >= 0 and flux[at] * factors[band[at]] > largest[row]:
                largest[row] = flux[at] * factors[band[at]]
                time[row] = mjd[at]
    return largest, time

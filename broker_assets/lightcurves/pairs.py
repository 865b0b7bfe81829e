"""Colours of an object at one time: pairs of sources in two bands, taken within minutes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.photometry import (
    BANDS,
    SECOND_RADIATION_CONSTANT,
    WAVELENGTH,
    black_body,
    dereddening,
)

PAIR_VERSION = "1"

WITHIN = 40.0 / 1440.0
"""Days between the two sources of a pair, at most, as in Lasair's pair colours."""
NAMES = np.array([f"{blue}-{red}" for blue in BANDS for red in BANDS], dtype=object)
"""Name of a pair of bands, by 6·blue + red."""
_START = 12.0
_CONVERGED = 0.001
_STEPS = 50

_MJD, _COLOUR, _TEMPERATURE = range(3)


def pairs(curves: LightCurves) -> dict[str, NDArray[np.float64] | NDArray[np.object_]]:
    """Colour and temperature of the two newest pairs of sources.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.

    Returns
    -------
    dict of str to (n,) array
        For `latestpair` and `penultimatepair`: `…mjd` (time of the later source, MJD TAI), `…colourmag`
        (−2.5·log₁₀ of the ratio of the bluer to the redder flux, corrected for extinction, mag), `…colourtemp` (T in kK
        for which a black body has this ratio), float64 with NaN; `…colourbands` (`g-r`, bluer first), object with None.

    Notes
    -----
    A pair is two consecutive sources less than 40 minutes apart in two bands. Going back in time, the first is the
    latest, also if it gives no result, and the next the penultimate; they may share a source. A pair gives no result
    if the ratio is not positive or no temperature is found by Newton's method from 12 kK on, in 50 steps.
    """
    points = curves.sources
    values, bands = _pairs(points.offsets, points.mjd, points.flux, points.band, curves.ebv)
    result: dict[str, NDArray[np.float64] | NDArray[np.object_]] = {}
    for number, which in enumerate(("latest", "penultimate")):
        result[f"{which}pairmjd"] = values[:, number, _MJD]
        result[f"{which}paircolourmag"] = values[:, number, _COLOUR]
        names = NAMES[bands[:, number]]
        names[bands[:, number] < 0] = None
        result[f"{which}paircolourbands"] = names
        result[f"{which}paircolourtemp"] = values[:, number, _TEMPERATURE]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def colour_temperature(blue: int, red: int, ratio: float) -> float:
    """Temperature of a black body from the ratio of its fluxes in two bands, kK; NaN if none is found.

    Parameters
    ----------
    blue, red : int
        Bands, by their place in `BANDS`.
    ratio : float
        Flux in the bluer band over that in the redder.
    """
    temperature: float = _START
    for _ in range(_STEPS):
        one, other = black_body(blue, temperature), black_body(red, temperature)
        step = (one - ratio * other) / (_slope(blue, temperature, one) - ratio * _slope(red, temperature, other))
        temperature -= step
        if not temperature > 0.0:
            return math.nan
        if abs(step) < _CONVERGED:
            return temperature
    return math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(band: int, temperature: float, value: float) -> float:
    """Derivative of a black body by its temperature."""
    exponent = SECOND_RADIATION_CONSTANT / (WAVELENGTH[band] * temperature)
    return float(value * exponent / (temperature * (1.0 - math.exp(-exponent))))


@njit(cache=True, nogil=True, error_model="numpy")
def _pairs(
    offsets: NDArray[np.int64],
    mjd: NDArray[np.float64],
    flux: NDArray[np.float64],
    band: NDArray[np.int8],
    ebv: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    objects = offsets.size - 1
    values = np.full((objects, 2, 3), math.nan)
    bands = np.full((objects, 2), np.int64(-1))
    for row in range(objects):
        found = 0
        factors = dereddening(ebv[row])
        for at in range(offsets[row + 1] - 1, offsets[row], -1):
            one, other = band[at - 1], band[at]
            if one < 0 or other < 0 or one == other or not mjd[at] - mjd[at - 1] < WITHIN:
                continue
            blue, red = min(one, other), max(one, other)
            ratio = flux[at - 1] * factors[one] / (flux[at] * factors[other])
            if other == blue:
                ratio = 1.0 / ratio
            if ratio > 0.0 and flux[at] != 0.0 and flux[at - 1] != 0.0:
                temperature = colour_temperature(blue, red, ratio)
                if not math.isnan(temperature):
                    values[row, found, _MJD] = mjd[at]
                    values[row, found, _COLOUR] = -2.5 * math.log10(ratio)
                    values[row, found, _TEMPERATURE] = temperature
                    bands[row, found] = 6 * blue + red
            found += 1
            if found == 2:
                break
    return values, bands

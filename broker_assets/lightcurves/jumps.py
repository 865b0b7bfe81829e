"""Sudden changes: how far the last ten days are from the two months before."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves

JUMP_VERSION = "1"

RECENT = 10.0
"""Days before the newest source that are tested."""
SAMPLE = 70.0
"""Days before the newest source at which the sample begins; it ends where the test begins."""
FEWEST = 5
"""Points that a sample has at least."""
_CONSTANT = 1e-12
"""A scatter below this fraction of the fluxes is rounding."""


def jumps(curves: LightCurves) -> dict[str, NDArray[np.float64]]:
    """Largest deviations of recent sources from those before, in two bands.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.

    Returns
    -------
    dict of str to (n,) float64 array
        `jump1`, `jump2`: with T the time of the newest source, the mean and the standard deviation σ (of n − 1) of the
        fluxes of a band with 10 < T − t < 70 d, if there are five; the largest |f − mean|/σ of its sources with
        0 ≤ T − t < 10 d; the largest and second largest of the six bands. Zero where a band has no sample, no scatter
        or no recent source; NaN for an object without sources.
    """
    points = curves.sources
    first, second = _jumps(points.offsets, points.mjd, points.flux, points.band)
    return {"jump1": first, "jump2": second}


@njit(cache=True, nogil=True, error_model="numpy")
def _jumps(
    offsets: NDArray[np.int64], mjd: NDArray[np.float64], flux: NDArray[np.float64], band: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    objects = offsets.size - 1
    first, second = np.full(objects, math.nan), np.full(objects, math.nan)
    number = np.zeros(6, np.int64)
    mean, square, largest, jump = np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6)
    for row in range(objects):
        begin, end = offsets[row], offsets[row + 1]
        if begin == end:
            continue
        newest = mjd[end - 1]
        number[:], mean[:], square[:], largest[:], jump[:] = 0, 0.0, 0.0, 0.0, 0.0
        while begin < end and newest - mjd[begin] >= SAMPLE:
            begin += 1
        recent = begin
        while recent < end and newest - mjd[recent] > RECENT:
            if band[recent] >= 0:
                number[band[recent]] += 1
                mean[band[recent]] += flux[recent]
            recent += 1
        for code in range(6):
            mean[code] /= number[code]
        for at in range(begin, recent):
            code = band[at]
            if code >= 0:
                square[code] += (flux[at] - mean[code]) ** 2
                largest[code] = max(largest[code], abs(flux[at]))
        for at in range(recent, end):
            code = band[at]
            if code >= 0 and number[code] >= FEWEST and newest - mjd[at] < RECENT:
                scatter = math.sqrt(square[code] / (number[code] - 1))
                if scatter > _CONSTANT * largest[code]:
                    jump[code] = max(jump[code], abs(flux[at] - mean[code]) / scatter)
        ordered = np.sort(jump)
        first[row], second[row] = ordered[5], ordered[4]
    return first, second

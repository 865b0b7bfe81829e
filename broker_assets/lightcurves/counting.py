"""Counts of sources, and fluxes, times and reliabilities of the newest ones."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.photometry import BANDS

COUNTING_VERSION = "1"
GOOD = 0.5
"""Sources of a reliability above this count as good, as in Lasair's `nSourcesGood`."""

_LATEST, _MEDIAN, _RELIABILITY, _FIRST, _LAST = range(5)
_POSITIVE, _NIGHTS, _GOOD = range(3)


def counting(curves: LightCurves) -> dict[str, NDArray[np.float64] | NDArray[np.int32]]:
    """Fluxes and times of the newest sources, counts, and reliabilities.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.

    Returns
    -------
    dict of str to (n,) array
        `latest_psfflux` (flux of the newest source, nJy) and of each band b `b_psfflux` (nJy) and `b_latestmjd`
        (MJD TAI); `medianr` (median reliability of the sources that have one) and `latestr` (reliability of the newest
        source); `lastdiasourcemjdtai` and `firstdiasourcemjdtai` (MJD TAI; the first is the survey's own where it is
        given): float64, NaN where there is none. `nposdiasources` (flux > 0),
        `nposdiasourcesnights` (distinct int(MJD + 0.5) among these), `nsourcesgood` (reliability > 0.5) and `nbsources`
        of each band: int32.
    """
    points = curves.sources
    floats, fluxes, times, counts, of_band = _count(
        points.offsets, points.mjd, points.flux, points.band, points.reliability
    )
    first = np.where(np.isfinite(curves.first_mjd), curves.first_mjd, floats[:, _FIRST])
    result: dict[str, NDArray[np.float64] | NDArray[np.int32]] = {
        "latest_psfflux": floats[:, _LATEST],
        "medianr": floats[:, _MEDIAN],
        "latestr": floats[:, _RELIABILITY],
        "firstdiasourcemjdtai": first,
        "lastdiasourcemjdtai": floats[:, _LAST],
        "nposdiasources": counts[:, _POSITIVE],
        "nposdiasourcesnights": counts[:, _NIGHTS],
        "nsourcesgood": counts[:, _GOOD],
    }
    for code, band in enumerate(BANDS):
        result[f"{band}_psfflux"] = fluxes[:, code]
        result[f"{band}_latestmjd"] = times[:, code]
        result[f"n{band}sources"] = of_band[:, code]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _count(
    offsets: NDArray[np.int64],
    mjd: NDArray[np.float64],
    flux: NDArray[np.float64],
    band: NDArray[np.int8],
    reliability: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    objects = offsets.size - 1
    floats = np.full((objects, 5), math.nan)
    fluxes, times = np.full((objects, 6), math.nan), np.full((objects, 6), math.nan)
    counts, of_band = np.zeros((objects, 3), np.int32), np.zeros((objects, 6), np.int32)
    for row in range(objects):
        begin, end = offsets[row], offsets[row + 1]
        if begin == end:
            continue
        floats[row, _LATEST] = flux[end - 1]
        floats[row, _RELIABILITY] = reliability[end - 1]
        floats[row, _FIRST] = mjd[begin]
        floats[row, _LAST] = mjd[end - 1]
        night = np.int64(-1)
        known = 0
        for at in range(begin, end):
            if flux[at] > 0.0:
                counts[row, _POSITIVE] += 1
                # Times ascend, so equal nights are neighbours.
                if counts[row, _POSITIVE] == 1 or np.int64(mjd[at] + 0.5) != night:
                    counts[row, _NIGHTS] += 1
                night = np.int64(mjd[at] + 0.5)
            counts[row, _GOOD] += reliability[at] > GOOD
            known += not math.isnan(reliability[at])
            if band[at] >= 0:
                of_band[row, band[at]] += 1
                fluxes[row, band[at]] = flux[at]
                times[row, band[at]] = mjd[at]
        if known:
            values = np.empty(known)
            place = 0
            for at in range(begin, end):
                if not math.isnan(reliability[at]):
                    values[place] = reliability[at]
                    place += 1
            floats[row, _MEDIAN] = np.median(values)
    return floats, fluxes, times, counts, of_band

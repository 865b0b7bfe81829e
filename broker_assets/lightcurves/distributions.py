"""Statistics of light curves that need no fit and no periodogram: location, spread, shape, trend, order in time.

All rows of a batch are computed in one compiled pass. A row is a band of an object, or all its bands together; for the
latter the weighted mean of its band is subtracted from each flux, so that colours do not count as variability. Names
and formulas are those that classifiers of alert brokers use, collected in Malanchev et al. 2021, MNRAS 502, 5147;
`statistics` lists them.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.joined_curves import JoinedCurves

DISTRIBUTION_VERSION: Final = "1"

ALL_BANDS: Final = 6
"""Band code of a row of all bands together; the code of a single band is its place in `photometry.BANDS`."""
DETECTION_SIGMA: Final = 5.0
"""Signal-to-noise ratio from which a point counts as a detection, whichever way it was measured."""

NAMES: Final = (
    "npoints", "ndetections", "nforced", "nnotdetectedbefore", "nlimits", "nlimitsbefore", "nlimitsafter",
    "lastlimitbefore", "dayssincelimit",
    "duration", "minimumtimeinterval", "maximumtimeinterval", "timemean", "timestandarddeviation",
    "mean", "weightedmean", "median", "amplitude", "percentamplitude", "standarddeviation", "skew", "kurtosis",
    "medianabsolutedeviation", "medianbufferrange", "interpercentilerange25", "interpercentilerange10",
    "interpercentilerange2", "percentageratio40to5", "percentageratio20to10", "beyond1std", "beyond2std",
    "andersondarling", "excessvariance", "reducedchi2", "stetsonk", "roms",
    "eta", "etae", "cusum", "maximumslope",
    "lineartrend", "lineartrendsigma", "lineartrendnoise", "linearfitslope", "linearfitslopesigma",
    "linearfitreducedchi2",
)  # fmt: skip
"""Columns, in the order of the array; the first seven are counts."""
(
    _POINTS, _DETECTIONS, _FORCED, _NOT_DETECTED, _LIMITS, _LIMITS_BEFORE, _LIMITS_AFTER, _LAST_LIMIT, _SINCE_LIMIT,
    _DURATION, _SHORTEST, _LONGEST, _TIME_MEAN, _TIME_STD,
    _MEAN, _WEIGHTED_MEAN, _MEDIAN, _AMPLITUDE, _PERCENT_AMPLITUDE, _STD, _SKEW, _KURTOSIS, _MAD, _BUFFER,
    _RANGE_25, _RANGE_10, _RANGE_2, _RATIO_40_5, _RATIO_20_10, _BEYOND_1, _BEYOND_2, _ANDERSON, _EXCESS, _CHI2,
    _STETSON, _ROMS, _ETA, _ETA_E, _CUSUM, _SLOPE, _TREND, _TREND_SIGMA, _TREND_NOISE, _FIT_SLOPE, _FIT_SIGMA,
    _FIT_CHI2,
) = range(len(NAMES))  # fmt: skip
_NOT_OVER_BANDS: Final = np.array([_MEAN, _WEIGHTED_MEAN, _MEDIAN, _EXCESS])
"""Not defined for all bands together: the fluxes are differences from the means of their bands."""

Vector = NDArray[np.float64]


def rows_of(curves: JoinedCurves) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """The rows of light curves: for each object the bands in which it has points, then all bands together.

    Returns
    -------
    owner : (r,) int64 array
        Object of each row.
    band : (r,) int8 array
        Its band, or `ALL_BANDS`.

    Examples
    --------
    >>> from broker_assets.lightcurves.joined_curves import Columns
    >>> rows_of(JoinedCurves.of(2, Columns([1, 1], [5.0, 6.0], [7.0, 8.0], [1.0, 1.0], [3, 1])))
    (array([1, 1, 1]), array([1, 3, 6], dtype=int8))
    """
    owner, band = _rows(curves.offsets, curves.band)
    return owner, band


def distributions(curves: JoinedCurves, owner: NDArray[np.int64], band: NDArray[np.int8]) -> Vector:
    """Statistics of some rows.

    Parameters
    ----------
    curves : JoinedCurves
        Light curves.
    owner, band : (r,) arrays
        See `rows_of`; the rows of an object one after the other, all bands together last.

    Returns
    -------
    (r, c) float64 array
        Columns `NAMES`; NaN where one is not defined: too few points, no scatter, no uncertainties.
    """
    return np.asarray(
        _distributions(
            curves.offsets, curves.mjd, curves.flux, curves.error, curves.band, curves.detected, curves.limit_offsets,
            curves.limit_mjd, curves.limit_flux, curves.limit_band, owner, band,
        )
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _rows(offsets: NDArray[np.int64], band: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    owners = np.empty(7 * (offsets.size - 1), np.int64)
    bands = np.empty(7 * (offsets.size - 1), np.int8)
    size = 0
    for number in range(offsets.size - 1):
        seen = 0
        for at in range(offsets[number], offsets[number + 1]):
            if band[at] >= 0:
                seen |= 1 << band[at]
        for code in range(6):
            if (seen >> code) & 1:
                owners[size], bands[size] = number, code
                size += 1
        if seen:
            owners[size], bands[size] = number, ALL_BANDS
            size += 1
    return owners[:size].copy(), bands[:size].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    begin: int, end: int, wanted: int, mjd: Vector, flux: Vector, error: Vector, band: NDArray[np.int8],
    centres: Vector, time: Vector, value: Vector, sigma: Vector,
) -> int:  # fmt: skip
    """Copy the points of a row into scratch arrays, minus `centres` if it is of all bands; return their number."""
    count = 0
    for at in range(begin, end):
        code = band[at]
        if code == wanted or (wanted == ALL_BANDS and code >= 0):
            time[count], sigma[count] = mjd[at], error[at]
            value[count] = flux[at] if wanted != ALL_BANDS else flux[at] - centres[code]
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def centre(value: Vector, sigma: Vector, count: int) -> float:
    """Weighted mean of points, the plain mean where no uncertainty is known."""
    weights, total, plain = 0.0, 0.0, 0.0
    for i in range(count):
        plain += value[i]
        if not math.isnan(sigma[i]):
            weight = 1.0 / (sigma[i] * sigma[i])
            weights += weight
            total += weight * value[i]
    return total / weights if weights > 0.0 else plain / count


@njit(cache=True, nogil=True, error_model="numpy")
def _distributions(
    offsets: NDArray[np.int64], mjd: Vector, flux: Vector, error: Vector, band: NDArray[np.int8],
    detected: NDArray[np.bool_], limit_offsets: NDArray[np.int64], limit_mjd: Vector, limit_flux: Vector,
    limit_band: NDArray[np.int8], owner: NDArray[np.int64], code: NDArray[np.int8],
) -> Vector:  # fmt: skip
    result = np.full((owner.size, len(NAMES)), math.nan)
    most = 1
    for number in range(offsets.size - 1):
        most = max(most, offsets[number + 1] - offsets[number])
    time, value, sigma, rank = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    centres = np.zeros(6)
    for row in range(owner.size):
        begin, end, wanted = offsets[owner[row]], offsets[owner[row] + 1], code[row]
        count = gather(begin, end, wanted, mjd, flux, error, band, centres, time, value, sigma)
        out = result[row]
        if wanted != ALL_BANDS:
            centres[wanted] = centre(value, sigma, count)
        _times(time, count, out)
        _values(time, value, sigma, rank, count, out)
        _weighted(time, value, sigma, count, out)
        if wanted == ALL_BANDS:
            for place in _NOT_OVER_BANDS:
                out[place] = math.nan
        _detections(
            begin, end, wanted, mjd, flux, error, band, detected, limit_offsets[owner[row]],
            limit_offsets[owner[row] + 1], limit_mjd, limit_flux, limit_band, out,
        )  # fmt: skip
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _detections(
    begin: int, end: int, wanted: int, mjd: Vector, flux: Vector, error: Vector, band: NDArray[np.int8],
    detected: NDArray[np.bool_], limit_begin: int, limit_end: int, limit_mjd: Vector, limit_flux: Vector,
    limit_band: NDArray[np.int8], out: Vector,
) -> None:  # fmt: skip
    """Counts, and what was not detected before the first detection and after the last."""
    points, found, faint = 0, 0, 0
    first, last = math.inf, -math.inf
    bright = False
    for at in range(begin, end):
        if band[at] != wanted and not (wanted == ALL_BANDS and band[at] >= 0):
            continue
        points += 1
        if detected[at]:
            found += 1
            first, last = min(first, mjd[at]), max(last, mjd[at])
        bright |= flux[at] > DETECTION_SIGMA * error[at]
        faint += not bright
    out[_POINTS], out[_DETECTIONS], out[_FORCED] = points, found, points - found
    if bright:
        out[_NOT_DETECTED] = faint
    limits, before, after = 0, 0, 0
    for at in range(limit_begin, limit_end):
        if limit_band[at] != wanted and not (wanted == ALL_BANDS and limit_band[at] >= 0):
            continue
        limits += 1
        after += limit_mjd[at] > last
        if limit_mjd[at] < first:
            before += 1
            out[_LAST_LIMIT], out[_SINCE_LIMIT] = limit_flux[at], first - limit_mjd[at]
    out[_LIMITS] = limits
    if found:
        out[_LIMITS_BEFORE], out[_LIMITS_AFTER] = before, after
    else:
        out[_LAST_LIMIT], out[_SINCE_LIMIT] = math.nan, math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _times(time: Vector, count: int, out: Vector) -> None:
    """Duration, intervals, mean and standard deviation of the times; relative to the first time, which keeps digits."""
    total = 0.0
    for i in range(count):
        total += time[i] - time[0]
    mean = total / count
    out[_DURATION], out[_TIME_MEAN] = time[count - 1] - time[0], time[0] + mean
    if count < 2:
        return
    squares, shortest, longest = 0.0, math.inf, 0.0
    for i in range(count):
        squares += (time[i] - time[0] - mean) ** 2
        if i:
            shortest, longest = min(shortest, time[i] - time[i - 1]), max(longest, time[i] - time[i - 1])
    out[_SHORTEST], out[_LONGEST] = shortest, longest
    out[_TIME_STD] = math.sqrt(squares / (count - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(rank: Vector, count: int, share: float) -> float:
    """Quantile of ordered values, piecewise linear between the middles of the steps (Hazen; Hyndman & Fan type 5)."""
    place = share * count - 0.5
    if place <= 0.0:
        return float(rank[0])
    if place >= count - 1.0:
        return float(rank[count - 1])
    low = int(place)
    return float(rank[low] + (place - low) * (rank[low + 1] - rank[low]))


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(rank: Vector, count: int) -> None:
    """Ascending; short arrays by insertion, which is quickest."""
    if count > 48:
        rank[:count] = np.sort(rank[:count])
        return
    for i in range(1, count):
        moved = rank[i]
        to = i
        while to > 0 and rank[to - 1] > moved:
            rank[to] = rank[to - 1]
            to -= 1
        rank[to] = moved


@njit(cache=True, nogil=True, error_model="numpy")
def _median_deviation(rank: Vector, count: int, median: float) -> float:
    """Median of |value − median| of ordered values: outwards from the middle they are in order of distance."""
    left = (count - 1) // 2
    right = left + 1
    nearest, before = 0.0, 0.0
    for _ in range(count // 2 + 1):
        before = nearest
        if right >= count or (left >= 0 and median - rank[left] <= rank[right] - median):
            nearest = median - rank[left]
            left -= 1
        else:
            nearest = rank[right] - median
            right += 1
    return nearest if count % 2 else 0.5 * (before + nearest)


@njit(cache=True, nogil=True, error_model="numpy")
def _values(time: Vector, value: Vector, sigma: Vector, rank: Vector, count: int, out: Vector) -> None:
    """Statistics of fluxes without weights."""
    total = 0.0
    for i in range(count):
        rank[i] = value[i]
        total += value[i]
    mean = total / count
    _sort(rank, count)
    low, high = rank[0], rank[count - 1]
    median = 0.5 * (rank[(count - 1) // 2] + rank[count // 2])
    out[_MEAN], out[_MEDIAN], out[_AMPLITUDE] = mean, median, 0.5 * (high - low)
    out[_PERCENT_AMPLITUDE] = max(high - median, median - low)
    out[_MAD] = _median_deviation(rank, count, median)
    out[_RANGE_25] = _quantile(rank, count, 0.75) - _quantile(rank, count, 0.25)
    range_10 = _quantile(rank, count, 0.9) - _quantile(rank, count, 0.1)
    out[_RANGE_10] = range_10
    out[_RANGE_2] = _quantile(rank, count, 0.98) - _quantile(rank, count, 0.02)
    range_5 = _quantile(rank, count, 0.95) - _quantile(rank, count, 0.05)
    if range_5 > 0.0:
        out[_RATIO_40_5] = (_quantile(rank, count, 0.6) - _quantile(rank, count, 0.4)) / range_5
    if range_10 > 0.0:
        out[_RATIO_20_10] = (_quantile(rank, count, 0.8) - _quantile(rank, count, 0.2)) / range_10
    if count < 2:
        return
    squares, cubes, fourths, within = 0.0, 0.0, 0.0, 0
    for i in range(count):
        residual = value[i] - mean
        square = residual * residual
        squares += square
        cubes += square * residual
        fourths += square * square
        within += abs(value[i] - median) < 0.1 * 0.5 * (high - low)
    out[_BUFFER] = within / count
    std = math.sqrt(squares / (count - 1))
    out[_STD] = std
    if not std > 0.0:
        return
    if count > 2:
        out[_SKEW] = count / ((count - 1.0) * (count - 2.0)) * cubes / std**3
    if count > 3:
        out[_KURTOSIS] = count * (count + 1.0) / (
            (count - 1.0) * (count - 2.0) * (count - 3.0)
        ) * fourths / std**4 - 3.0 * (count - 1.0) ** 2 / ((count - 2.0) * (count - 3.0))
        out[_ANDERSON] = _anderson_darling(rank, count, mean, std)
    beyond_1, beyond_2 = 0, 0
    running, lowest, highest = 0.0, math.inf, -math.inf
    steps, slopes, steepest = 0.0, 0.0, math.nan
    crossed, timed = 0.0, 0.0
    middle = out[_TIME_MEAN]
    for i in range(count):
        residual = value[i] - mean
        beyond_1 += abs(residual) > std
        beyond_2 += abs(residual) > 2.0 * std
        running += residual
        lowest, highest = min(lowest, running), max(highest, running)
        crossed += (time[i] - middle) * residual
        timed += (time[i] - middle) ** 2
        if i:
            step, interval = value[i] - value[i - 1], time[i] - time[i - 1]
            steps += step * step
            if interval > 0.0:
                slope = abs(step / interval)
                slopes += slope * slope
                steepest = slope if math.isnan(steepest) else max(steepest, slope)
    out[_BEYOND_1], out[_BEYOND_2] = beyond_1 / count, beyond_2 / count
    out[_CUSUM] = (highest - lowest) / (count * std)
    out[_ETA] = steps / squares
    duration = out[_DURATION]
    if duration > 0.0:
        out[_SLOPE] = steepest
        out[_ETA_E] = duration**2 / (count - 1.0) ** 3 * slopes / (std * std)
    squared_errors, known = 0.0, 0
    for i in range(count):
        if not math.isnan(sigma[i]):
            squared_errors += sigma[i] * sigma[i]
            known += 1
    if known == count and mean != 0.0:
        out[_EXCESS] = (std * std - squared_errors / count) / (mean * mean)
    if count > 2 and timed > 0.0:
        trend = crossed / timed
        left = 0.0
        for i in range(count):
            left += (value[i] - mean - trend * (time[i] - middle)) ** 2
        out[_TREND], out[_TREND_NOISE] = trend, math.sqrt(left / (count - 2.0))
        out[_TREND_SIGMA] = out[_TREND_NOISE] / math.sqrt(timed)


@njit(cache=True, nogil=True, error_model="numpy")
def _anderson_darling(rank: Vector, count: int, mean: float, std: float) -> float:
    """Statistic of the Anderson–Darling test of normality, with the correction for small numbers."""
    total = 0.0
    for i in range(count):
        scaled = (rank[i] - mean) / (std * math.sqrt(2.0))
        below, above = 0.5 * math.erfc(-scaled), 0.5 * math.erfc(scaled)
        total += (2.0 * i + 1.0) * math.log(below) + (2.0 * (count - i) - 1.0) * math.log(above)
    return (1.0 + 4.0 / count - 25.0 / (count * count)) * (-count - total / count)


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted(time: Vector, value: Vector, sigma: Vector, count: int, out: Vector) -> None:
    """Statistics with the weights 1/σ²; points without an uncertainty are left out."""
    weights, mean, known, middle = 0.0, 0.0, 0, 0.0
    for i in range(count):
        if not math.isnan(sigma[i]):
            weight = 1.0 / (sigma[i] * sigma[i])
            weights += weight
            mean += weight * value[i]
            middle += weight * (time[i] - time[0])
            known += 1
    if not known:
        return
    mean /= weights
    middle /= weights
    out[_WEIGHTED_MEAN] = mean
    if known < 2:
        return
    chi2, absolute, robust, crossed, timed = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(count):
        if not math.isnan(sigma[i]):
            residual = (value[i] - mean) / sigma[i]
            chi2 += residual * residual
            absolute += abs(residual)
            robust += abs(value[i] - out[_MEDIAN]) / sigma[i]
            apart = (time[i] - time[0] - middle) / sigma[i]
            crossed += apart * residual
            timed += apart * apart
    out[_CHI2], out[_ROMS] = chi2 / (known - 1.0), robust / (known - 1.0)
    if chi2 > 0.0:
        out[_STETSON] = absolute / math.sqrt(known * chi2)
    if known > 2 and timed > 0.0:
        slope = crossed / timed
        left = 0.0
        for i in range(count):
            if not math.isnan(sigma[i]):
                left += ((value[i] - mean - slope * (time[i] - time[0] - middle)) / sigma[i]) ** 2
        out[_FIT_SLOPE], out[_FIT_SIGMA] = slope, 1.0 / math.sqrt(timed)
        out[_FIT_CHI2] = left / (known - 2.0)

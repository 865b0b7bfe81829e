"""The highest peaks of Lomb–Scargle periodograms, of all rows of a batch in one compiled pass.

Rows are those of `distributions`: single bands, and all bands together after the mean of each is subtracted.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.distributions import ALL_BANDS, centre, gather
from broker_assets.lightcurves.joined_curves import JoinedCurves

PERIODOGRAM_VERSION: Final = "1"

FEWEST: Final = 10
"""Least number of points for a periodogram."""
RESOLUTION: Final = 10
"""Number of frequencies in the width of a peak, which is one over the duration."""
HIGHEST: Final = 10.0
"""Highest frequency in units of the average Nyquist frequency: in uneven sampling, periods much shorter than twice the
mean interval are seen."""
MOST: Final = 20_000
"""Number of frequencies, at most: a row of more than 400 points ends at a lower frequency."""
PEAKS: Final = 2
NAMES: Final = ("period", "periodsn", "secondperiod", "secondperiodsn")
"""Columns, in the order of the array."""

Vector = NDArray[np.float64]


def frequencies(duration: float, points: int) -> Vector:
    """The frequencies at which the power is computed, 1/d: from one over the duration up.

    Parameters
    ----------
    duration : float
        Days.
    points : int
        Number of points.

    Examples
    --------
    >>> found = frequencies(20.0, 41)
    >>> found[0], found[1], found[-1]
    (np.float64(0.05), np.float64(0.055), np.float64(10.0))
    """
    return (RESOLUTION + np.arange(_number(points))) / (RESOLUTION * duration)


def periodograms(curves: JoinedCurves, owner: NDArray[np.int64], band: NDArray[np.int8]) -> Vector:
    """The two highest peaks of the periodogram of each row.

    Parameters
    ----------
    curves, owner, band
        See `distributions.distributions`.

    Returns
    -------
    (r, 4) float64 array
        Columns `NAMES`: period of the highest and of the second highest local maximum of the power, days, each with
        its signal-to-noise ratio, (power − mean power) / standard deviation of the power. NaN for rows of fewer than
        `FEWEST` points or without scatter, and where there are fewer maxima.

    Notes
    -----
    Power P(ω) = ½·[(Σ y·cos ω(t−τ))²/Σ cos² ω(t−τ) + (Σ y·sin ω(t−τ))²/Σ sin² ω(t−τ)] of the fluxes y less their
    mean, over their standard deviation; Lomb 1976, Ap&SS 39, 447; Scargle 1982, ApJ 263, 835, equation 10. Directly,
    without interpolation, at `frequencies`; sines and cosines are turned from one frequency to the next.
    """
    return np.asarray(
        _periodograms(
            curves.offsets, curves.mjd, curves.flux, curves.error, curves.band, owner, band,
        )
    )  # fmt: skip


@njit(cache=True)
def _number(points: int) -> int:
    """How many frequencies there are."""
    return min(MOST, int(RESOLUTION * (HIGHEST * 0.5 * (points - 1) - 1.0)) + 1)


@njit(cache=True, nogil=True, fastmath=True)
def _powers(time: Vector, value: Vector, count: int, turned: Vector, power: Vector, number: int) -> None:
    """Power at each frequency; `turned` (4, m) is scratch: cosines, sines and those of a step."""
    cosine, sine, step_cosine, step_sine = turned[0], turned[1], turned[2], turned[3]
    step = 2.0 * math.pi / (RESOLUTION * (time[count - 1] - time[0]))
    for i in range(count):
        angle = step * (time[i] - time[0])
        step_cosine[i], step_sine[i] = math.cos(angle), math.sin(angle)
        cosine[i], sine[i] = math.cos(RESOLUTION * angle), math.sin(RESOLUTION * angle)
    for place in range(number):
        with_cosine, with_sine, squares, products = 0.0, 0.0, 0.0, 0.0
        for i in range(count):
            one, other = cosine[i], sine[i]
            with_cosine += value[i] * one
            with_sine += value[i] * other
            squares += one * one
            products += one * other
            cosine[i] = one * step_cosine[i] - other * step_sine[i]
            sine[i] = other * step_cosine[i] + one * step_sine[i]
        # The sums about τ follow from those about the first point: Σ cos 2ωt = 2Σ cos² − n, Σ sin 2ωt = 2Σ sin·cos.
        double_cosine, double_sine = 2.0 * squares - count, 2.0 * products
        shift = 0.5 * math.atan2(double_sine, double_cosine)
        turn_cosine, turn_sine = math.cos(shift), math.sin(shift)
        half = 0.5 * math.sqrt(double_cosine * double_cosine + double_sine * double_sine)
        in_phase = with_cosine * turn_cosine + with_sine * turn_sine
        across = with_sine * turn_cosine - with_cosine * turn_sine
        large, small = 0.5 * count + half, 0.5 * count - half
        power[place] = in_phase * in_phase / large
        if small > 1e-9 * count:  # else all points are in phase, and none has a component across
            power[place] += across * across / small
        power[place] *= 0.5


@njit(cache=True, nogil=True, error_model="numpy")
def _periodograms(
    offsets: NDArray[np.int64], mjd: Vector, flux: Vector, error: Vector, band: NDArray[np.int8],
    owner: NDArray[np.int64], code: NDArray[np.int8],
) -> Vector:  # fmt: skip
    result = np.full((owner.size, 2 * PEAKS), math.nan)
    most = 1
    for number in range(offsets.size - 1):
        most = max(most, offsets[number + 1] - offsets[number])
    time, value, sigma, turned = np.empty(most), np.empty(most), np.empty(most), np.empty((4, most))
    power = np.empty(max(_number(most), 1))
    centres = np.zeros(6)
    for row in range(owner.size):
        begin, end, wanted = offsets[owner[row]], offsets[owner[row] + 1], code[row]
        count = gather(begin, end, wanted, mjd, flux, error, band, centres, time, value, sigma)
        if wanted != ALL_BANDS:
            centres[wanted] = centre(value, sigma, count)
        if count < FEWEST or not time[count - 1] > time[0]:
            continue
        mean, squares = 0.0, 0.0
        for i in range(count):
            mean += value[i] / count
        for i in range(count):
            value[i] -= mean
            squares += value[i] * value[i]
        if not squares > 0.0:
            continue
        scatter = math.sqrt(squares / (count - 1))
        for i in range(count):
            value[i] /= scatter
        number = _number(count)
        _powers(time, value, count, turned, power, number)
        _peaks(power, number, 1.0 / (RESOLUTION * (time[count - 1] - time[0])), result[row])
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _peaks(power: Vector, number: int, step: float, out: Vector) -> None:
    """Period and signal-to-noise ratio of the two highest local maxima."""
    mean, squares = 0.0, 0.0
    for place in range(number):
        mean += power[place] / number
    for place in range(number):
        squares += (power[place] - mean) ** 2
    spread = math.sqrt(squares / (number - 1))
    first, second = -1, -1
    for place in range(1, number - 1):
        if power[place] > power[place - 1] and power[place] > power[place + 1]:
            if first < 0 or power[place] > power[first]:
                first, second = place, first
            elif second < 0 or power[place] > power[second]:
                second = place
    if first >= 0 and spread > 0.0:
        out[0], out[1] = 1.0 / (step * (RESOLUTION + first)), (power[first] - mean) / spread
    if second >= 0 and spread > 0.0:
        out[2], out[3] = 1.0 / (step * (RESOLUTION + second)), (power[second] - mean) / spread

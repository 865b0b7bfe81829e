"""The function of Bazin et al. 2009, fitted to the fluxes of single bands: it rises, falls, and has a baseline.

All fits of a batch are one compiled call. The black bodies of explosions, which follow the same function in all bands
at once, are in `explosions`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.distributions import ALL_BANDS, gather
from broker_assets.lightcurves.joined_curves import JoinedCurves
from broker_assets.lightcurves.least_squares import damped_step, factorise, judged, norm

BAZIN_VERSION: Final = "1"

FEWEST: Final = 6
"""Least number of points with an uncertainty for a fit: one more than there are parameters."""
EVALUATIONS: Final = 100
"""A fit that reaches this number of evaluations of the function is abandoned."""
NAMES: Final = (
    "bazinamplitude", "bazinbaseline", "bazintime", "bazinrisetime", "bazinfalltime", "bazinreducedchi2",
)  # fmt: skip
"""Columns, in the order of the array."""
_STARTS: Final = np.array([[1.0, 8.0], [2.0, 20.0], [6.0, 50.0], [20.0, 30.0], [30.0, 100.0]])
"""Pairs of rise and fall time, days: fast and slow supernovae, and a symmetric event. Fits start from the best pair."""
_ATTEMPTS: Final = 2
"""Fits per row at most: from the best pair and, if that does not converge, from the next best."""
_TOLERANCE: Final = 1e-9
_FACTOR: Final = 100.0
_LONGEST: Final = math.log(1e5)
_SHORTEST: Final = math.log(1e-3)
"""Logarithms of the longest and the shortest rise or fall time, in days, that are accepted."""
_AMPLITUDE, _BASELINE, _TIME, _RISE, _FALL = range(5)

Vector = NDArray[np.float64]


def bazin_fits(curves: JoinedCurves, owner: NDArray[np.int64], band: NDArray[np.int8]) -> Vector:
    """Fit the function of Bazin to each row of a single band.

    Parameters
    ----------
    curves, owner, band
        See `distributions.distributions`.

    Returns
    -------
    (r, 6) float64 array
        Columns `NAMES`: A and B (nJy), t₀ (MJD TAI), τ_rise and τ_fall (days), χ²/(N − 5). NaN for rows of fewer than
        `FEWEST` points, for all bands together, and where no attempt converges to times between 0.001 and 100,000 days.

    Notes
    -----
    f(t) = A·exp(−(t−t₀)/τ_fall)/(1 + exp(−(t−t₀)/τ_rise)) + B; Bazin et al. 2009, A&A 499, 653, equation 1, with the
    sign of the rise that its text means. Weighted Levenberg–Marquardt (Moré 1978, LNM 630, 105) in the logarithms of
    the times with analytic derivatives. It starts from the pair of times, out of a few, that gives the smallest χ² with
    the best A and B and the peak at the brightest point; if that does not converge, from the next.
    """
    return np.asarray(
        _fit_all(
            curves.offsets, curves.mjd, curves.flux, curves.error, curves.band, owner, band,
        )
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _shape(since: float, rise: float, fall: float) -> float:
    """The function for A = 1 and B = 0 at a time from t₀ on; without overflow on either side."""
    ratio = -since / rise
    rising = max(ratio, 0.0) + math.log1p(math.exp(-abs(ratio)))
    return math.exp(min(-since / fall - rising, 300.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _residuals(x: Vector, time: Vector, flux: Vector, sigma: Vector, count: int, out: Vector) -> None:
    """(Model − data)/σ."""
    rise, fall = math.exp(x[_RISE]), math.exp(x[_FALL])
    for i in range(count):
        shape = _shape(time[i] - x[_TIME], rise, fall)
        out[i] = (x[_AMPLITUDE] * shape + x[_BASELINE] - flux[i]) / sigma[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _derivatives(x: Vector, time: Vector, sigma: Vector, count: int, jacobian: Vector) -> None:
    """Of the residuals by the five parameters; (5, m)."""
    rise, fall = math.exp(x[_RISE]), math.exp(x[_FALL])
    for i in range(count):
        since = time[i] - x[_TIME]
        shape = _shape(since, rise, fall) / sigma[i]
        ratio = since / rise
        left = 1.0 / (1.0 + math.exp(ratio)) if ratio < 700.0 else 0.0  # how much of the rise is still to come
        jacobian[_AMPLITUDE, i] = shape
        jacobian[_BASELINE, i] = 1.0 / sigma[i]
        jacobian[_TIME, i] = x[_AMPLITUDE] * shape * (1.0 / fall - left / rise)
        jacobian[_RISE, i] = -x[_AMPLITUDE] * shape * left * ratio
        jacobian[_FALL, i] = x[_AMPLITUDE] * shape * since / fall


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(
    x: Vector, time: Vector, flux: Vector, sigma: Vector, count: int, rows: Vector, columns: Vector, triangle: Vector,
    pivot: NDArray[np.int64], lower: Vector,
) -> float:  # fmt: skip
    """Levenberg–Marquardt from x, in place; χ², or infinity if it does not converge.

    `rows` (7, m) and `columns` (8, 5) are scratch, `triangle` (5, 5), `pivot` (5,) and `lower` (9, 5) too.
    """
    here, there, jacobian = rows[0], rows[1], rows[2:7]
    scale, norms, rotated, step, tried, scaled, work = (
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6:8],
    )  # fmt: skip
    _residuals(x, time, flux, sigma, count, here)
    evaluations = 1
    size = norm(here, count)
    damping, radius = 0.0, 0.0
    first = True
    while evaluations < EVALUATIONS and size > 0.0 and math.isfinite(size):
        _derivatives(x, time, sigma, count, jacobian)
        for i in range(count):
            there[i] = here[i]
        factorise(jacobian, count, 5, there, pivot, norms, triangle, rotated, work)
        for j in range(5):
            if first:
                scale[j] = norms[j] if norms[j] != 0.0 else 1.0
            scale[j] = max(scale[j], norms[j])
            scaled[j] = scale[j] * x[j]
        if first:
            radius = _FACTOR * norm(scaled, 5)
            if radius == 0.0:
                radius = _FACTOR
        accepted = False
        while not accepted and evaluations < EVALUATIONS:
            damping = damped_step(triangle, 5, pivot, scale, rotated, radius, damping, step, lower)
            for j in range(5):
                step[j] = -step[j]
                tried[j] = x[j] + step[j]
                scaled[j] = scale[j] * step[j]
            length = norm(scaled, 5)
            if first:
                radius = min(radius, length)
            _residuals(tried, time, flux, sigma, count, there)
            evaluations += 1
            size_there = norm(there, count)
            actual, predicted, ratio, radius, damping = judged(
                triangle, 5, pivot, step, size, size_there, length, radius, damping, scaled
            )
            accepted = ratio >= 1e-4
            if accepted:
                for j in range(5):
                    x[j] = tried[j]
                    scaled[j] = scale[j] * x[j]
                for i in range(count):
                    here[i] = there[i]
                size = size_there
                first = False
            if abs(actual) <= _TOLERANCE and predicted <= _TOLERANCE and 0.5 * ratio <= 1.0:
                return float(size * size)
            for j in range(5):
                scaled[j] = scale[j] * x[j]
            if not radius > _TOLERANCE * norm(scaled, 5):
                return float(size * size)
    return 0.0 if size == 0.0 else math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _start(x: Vector, time: Vector, flux: Vector, sigma: Vector, count: int) -> float:
    """Put the best A and B for the times in x, a linear problem, into x; return χ²."""
    rise, fall = math.exp(x[_RISE]), math.exp(x[_FALL])
    weights, shapes, squares, fluxes, products = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(count):
        weight = 1.0 / (sigma[i] * sigma[i])
        shape = _shape(time[i] - x[_TIME], rise, fall)
        weights += weight
        shapes += weight * shape
        squares += weight * shape * shape
        fluxes += weight * flux[i]
        products += weight * shape * flux[i]
    determinant = weights * squares - shapes * shapes
    if not determinant > 1e-9 * weights * squares:
        return math.inf
    x[_AMPLITUDE] = (weights * products - shapes * fluxes) / determinant
    x[_BASELINE] = (squares * fluxes - shapes * products) / determinant
    chi2 = 0.0
    for i in range(count):
        shape = _shape(time[i] - x[_TIME], rise, fall)
        chi2 += ((x[_AMPLITUDE] * shape + x[_BASELINE] - flux[i]) / sigma[i]) ** 2
    return chi2


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_all(
    offsets: NDArray[np.int64], mjd: Vector, flux: Vector, error: Vector, band: NDArray[np.int8],
    owner: NDArray[np.int64], code: NDArray[np.int8],
) -> Vector:  # fmt: skip
    result = np.full((owner.size, len(NAMES)), math.nan)
    most = 1
    for number in range(offsets.size - 1):
        most = max(most, offsets[number + 1] - offsets[number])
    time, value, sigma = np.empty(most), np.empty(most), np.empty(most)
    rows, columns = np.empty((7, most)), np.empty((8, 5))
    triangle, pivot, lower = np.zeros((5, 5)), np.empty(5, np.int64), np.zeros((9, 5))
    starts = np.empty((_STARTS.shape[0], 6))
    nothing = np.zeros(6)
    for row in range(owner.size):
        if code[row] == ALL_BANDS:
            continue
        begin, end = offsets[owner[row]], offsets[owner[row] + 1]
        all_points = gather(begin, end, code[row], mjd, flux, error, band, nothing, time, value, sigma)
        count = 0
        for i in range(all_points):
            if not math.isnan(sigma[i]):
                time[count], value[count], sigma[count] = time[i], value[i], sigma[i]
                count += 1
        if count < FEWEST:
            continue
        start = time[0]
        brightest, lowest = 0, value[0]
        for i in range(count):
            time[i] -= start
            lowest = min(lowest, value[i])
            if value[i] > value[brightest]:
                brightest = i
        if not value[brightest] > lowest:
            continue
        for place in range(starts.shape[0]):
            rise, fall = _STARTS[place, 0], _STARTS[place, 1]
            # The function is brightest at t₀ + τ_rise·ln(τ_fall/τ_rise − 1).
            starts[place, _TIME] = time[brightest] - rise * math.log(max(fall / rise - 1.0, 0.5))
            starts[place, _RISE], starts[place, _FALL] = math.log(rise), math.log(fall)
            starts[place, 5] = _start(starts[place], time, value, sigma, count)
        order = np.argsort(starts[:, 5])
        for attempt in range(_ATTEMPTS):
            x = starts[order[attempt]]
            if not math.isfinite(x[5]):
                break
            chi2 = _fit(x, time, value, sigma, count, rows, columns, triangle, pivot, lower)
            within = _SHORTEST <= x[_RISE] <= _LONGEST and _SHORTEST <= x[_FALL] <= _LONGEST
            if math.isfinite(chi2) and within and math.isfinite(x[_AMPLITUDE]) and math.isfinite(x[_BASELINE]):
                result[row, 0], result[row, 1], result[row, 2] = x[_AMPLITUDE], x[_BASELINE], x[_TIME] + start
                result[row, 3], result[row, 4] = math.exp(x[_RISE]), math.exp(x[_FALL])
                result[row, 5] = chi2 / (count - 5.0)
                break
    return result

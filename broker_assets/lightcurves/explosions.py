"""Black bodies that expand and fade, fitted to light curves in time and wavelength at once (columns `BBB…`).

Two models: a black body of one temperature that rises exponentially, and one whose flux follows Bazin et al. 2009,
A&A 499, 653, equation 1, without the constant. All fits of a batch are one compiled call.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.least_squares import EPSILON, damped_step, factorise, judged, norm, variance
from broker_assets.lightcurves.photometry import ZERO_POINT, black_body, dereddening

EXPLOSION_VERSION = "1"

FEWEST = 5
"""Least number of sources for a fit."""
FORCED = 4
"""Number of forced points before the first source, counted back from it, that are fitted too."""
EVALUATIONS = 500
"""A fit that needs this number of evaluations is rejected."""
_TOLERANCE = 1.49012e-8
_FACTOR = 100.0
_STEP = math.sqrt(EPSILON)
_WORST_EXPONENTIAL, _WORST_BAZIN = 0.35, 0.25
_FASTEST_EXPONENTIAL, _FASTEST_RISE, _FASTEST_FALL = 2.0, 15.0, 2.0
_SIGNIFICANCE = 10.0

_STARTS = np.array([[100.0, 4.0, 6.0, 0.1, 0.01], [1000.0, 4.0, -5.0, 0.01, 0.01]])
"""Start values of each attempt: A, T, t₀, rise and fall rate."""

_EXPONENTIAL, _BAZIN = 3, 5
"""A model is identified by its number of parameters."""
_RISE, _FALL, _TEMPERATURE, _PEAK_FLUX, _PEAK_TIME = range(5)
NAMES = ("bbbriserate", "bbbfallrate", "bbbtemp", "bbbpeakflux", "bbbpeakmjd")

Vector = NDArray[np.float64]


def explosions(curves: LightCurves, moduli: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Fit expanding black bodies to the objects that may be explosions and have at least five sources.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects; those with `explosive` are fitted.
    moduli : (n,) float64 array
        Distance modulus of each object, mag.

    Returns
    -------
    dict of str to (n,) float64 array
        NaN where nothing fits. `bbbtemp`: temperature T, kK; `bbbriserate`, `bbbfallrate`: rates, 1/d; `bbbpeakflux`
        (nJy, in the band in which the black body is brightest), `bbbpeakmjd` (MJD TAI), `bbbpeakabsmag` (mag, AB) of
        the peak. The exponential has no fall and no peak.

    Notes
    -----
    Points are the sources and up to four forced points before the first, fluxes corrected for extinction, τ in days
    from the first source on. Exponential A·B(λ,T)·exp(kτ); Bazin A·B(λ,T)·exp(−k_f(τ−t₀))/(1+exp(−k_r(τ−t₀))).
    Unweighted Levenberg–Marquardt with numerical derivatives, at most 500 evaluations, from two sets of start values.
    Rejected are: a sum of squares above 0.35 (exponential) or 0.25 (Bazin) of that about the mean; k outside 0 to 2/d
    or below 10 times its formal error; k_r outside 0 to 15/d, k_f outside 0 to 2/d. Of two accepted models the one with
    the smaller AIC = n·ln(SSE/n) + 2p is kept, Bazin if they are equal. The peak is at τ = t₀ − ln(k_f/(k_r−k_f))/k_r;
    where k_r ≤ k_f the model only falls: `bbbpeakmjd` is the time of the first source, without a flux.
    """
    sources, forced = curves.sources, curves.forced
    values, accepted = _fit_all(
        sources.offsets, sources.mjd, sources.flux, sources.band, forced.offsets, forced.mjd, forced.flux,
        forced.band, curves.ebv, curves.explosive,
    )  # fmt: skip
    result = {name: np.asarray(values[:, place]) for place, name in enumerate(NAMES)}
    peak = result["bbbpeakflux"]
    magnitude = ZERO_POINT - 2.5 * np.log10(np.where(peak > 0.0, peak, np.nan))
    result["bbbpeakabsmag"] = np.where(accepted == _BAZIN, magnitude - moduli, np.nan)
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _numerators(model: int, x: Vector, time: Vector, count: int, out: Vector) -> None:
    """exp(kτ), or exp(−k_f(τ−t₀))."""
    for i in range(count):
        out[i] = math.exp(x[2] * time[i]) if model == _EXPONENTIAL else math.exp(-x[4] * (time[i] - x[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _denominators(model: int, x: Vector, time: Vector, count: int, out: Vector) -> None:
    """One, or 1 + exp(−k_r(τ−t₀))."""
    for i in range(count):
        out[i] = 1.0 if model == _EXPONENTIAL else 1.0 + math.exp(-x[3] * (time[i] - x[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _residuals(
    x: Vector, numerator: Vector, denominator: Vector, band: NDArray[np.int8], flux: Vector, count: int,
    spectrum: Vector, out: Vector,
) -> None:  # fmt: skip
    """Model minus data."""
    for code in range(6):
        spectrum[code] = x[0] * black_body(code, x[1])
    for i in range(count):
        out[i] = spectrum[band[i]] * numerator[i] / denominator[i] - flux[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(
    model: int, x: Vector, time: Vector, band: NDArray[np.int8], flux: Vector, count: int, rows: Vector,
    columns: Vector, triangle: Vector, pivot: NDArray[np.int64], lower: Vector,
) -> int:  # fmt: skip
    """Levenberg–Marquardt from x, in place; evaluations needed.

    `rows` (13, m) and `columns` (10, 8) are scratch; `triangle` and `pivot` are left as of the last Jacobian, and the
    residuals in `rows[0]`. Exponentials dominate the cost, so a derivative recomputes only those that it changes.
    """
    here, there, jacobian = rows[0], rows[1], rows[2:7]
    top, bottom, other_top, other_bottom = rows[7], rows[8], rows[9], rows[10]
    scale, norms, rotated, step, tried, scaled, spectrum, work = (
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7:9],
    )  # fmt: skip
    _numerators(model, x, time, count, top)
    _denominators(model, x, time, count, bottom)
    _residuals(x, top, bottom, band, flux, count, spectrum, here)
    evaluations = 1
    size = norm(here, count)
    damping, radius, extent = 0.0, 0.0, 0.0
    first = True
    while True:
        for j in range(model):
            value = x[j]
            change = _STEP * abs(value)
            if change == 0.0:
                change = _STEP
            x[j] = value + change
            new_top, new_bottom = j == 2 or j == 4, model == _BAZIN and 2 <= j <= 3
            if new_top:
                _numerators(model, x, time, count, other_top)
            if new_bottom:
                _denominators(model, x, time, count, other_bottom)
            _residuals(
                x, other_top if new_top else top, other_bottom if new_bottom else bottom, band, flux, count, spectrum,
                jacobian[j],
            )  # fmt: skip
            x[j] = value
            for i in range(count):
                jacobian[j, i] = (jacobian[j, i] - here[i]) / change
        evaluations += model
        for i in range(count):
            there[i] = here[i]
        factorise(jacobian, count, model, there, pivot, norms, triangle, rotated, work)
        if first:
            for j in range(model):
                scale[j] = norms[j] if norms[j] != 0.0 else 1.0
                scaled[j] = scale[j] * x[j]
            extent = norm(scaled, model)
            radius = _FACTOR * extent
            if radius == 0.0:
                radius = _FACTOR
        steepest = 0.0
        if size != 0.0:
            for j in range(model):
                if norms[pivot[j]] != 0.0:
                    total = 0.0
                    for i in range(j + 1):
                        total += triangle[i, j] * (rotated[i] / size)
                    steepest = max(steepest, abs(total / norms[pivot[j]]))
        if steepest <= 0.0:
            return evaluations
        for j in range(model):
            scale[j] = max(scale[j], norms[j])
        while True:
            damping = damped_step(triangle, model, pivot, scale, rotated, radius, damping, step, lower)
            for j in range(model):
                step[j] = -step[j]
                tried[j] = x[j] + step[j]
                scaled[j] = scale[j] * step[j]
            length = norm(scaled, model)
            if first:
                radius = min(radius, length)
            _numerators(model, tried, time, count, other_top)
            _denominators(model, tried, time, count, other_bottom)
            _residuals(tried, other_top, other_bottom, band, flux, count, spectrum, there)
            evaluations += 1
            size_there = norm(there, count)
            actual, predicted, ratio, radius, damping = judged(
                triangle, model, pivot, step, size, size_there, length, radius, damping, scaled
            )
            if ratio >= 1e-4:
                for j in range(model):
                    x[j] = tried[j]
                    scaled[j] = scale[j] * x[j]
                for i in range(count):
                    here[i], top[i], bottom[i] = there[i], other_top[i], other_bottom[i]
                extent = norm(scaled, model)
                size = size_there
                first = False
            if abs(actual) <= _TOLERANCE and predicted <= _TOLERANCE and 0.5 * ratio <= 1.0:
                return evaluations
            if radius <= _TOLERANCE * extent or evaluations >= EVALUATIONS:
                return evaluations
            if steepest <= EPSILON:
                return evaluations
            if ratio >= 1e-4:
                break


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_all(
    offsets: NDArray[np.int64], mjd: Vector, flux: Vector, band: NDArray[np.int8], forced_offsets: NDArray[np.int64],
    forced_mjd: Vector, forced_flux: Vector, forced_band: NDArray[np.int8], ebv: Vector,
    explosive: NDArray[np.bool_],
) -> tuple[Vector, NDArray[np.int8]]:  # fmt: skip
    objects = offsets.size - 1
    values, accepted = np.full((objects, 5), math.nan), np.zeros(objects, np.int8)
    most = 0
    for row in range(objects):
        most = max(most, offsets[row + 1] - offsets[row])
    most += FORCED
    rows, columns = np.empty((13, most)), np.empty((10, 8))
    triangle, pivot, lower = np.zeros((5, 5)), np.empty(5, np.int64), np.zeros((9, 5))
    bands = np.empty(most, np.int8)
    time, fluxes = rows[11], rows[12]
    x, other = np.empty(5), np.empty(5)
    for row in range(objects):
        begin, end = offsets[row], offsets[row + 1]
        if not explosive[row] or end - begin < FEWEST:
            continue
        factors = dereddening(ebv[row])
        start = mjd[begin]
        count = 0
        before = forced_offsets[row + 1]
        while before > forced_offsets[row] and forced_mjd[before - 1] >= start:
            before -= 1
        for at in range(max(forced_offsets[row], before - FORCED), before):
            if forced_band[at] >= 0:
                time[count], bands[count] = forced_mjd[at] - start, forced_band[at]
                fluxes[count] = forced_flux[at] * factors[forced_band[at]]
                count += 1
        for at in range(begin, end):
            if band[at] >= 0:
                time[count], bands[count], fluxes[count] = mjd[at] - start, band[at], flux[at] * factors[band[at]]
                count += 1
        if count < FEWEST:
            continue
        mean = 0.0
        for i in range(count):
            mean += fluxes[i]
        mean /= count
        scatter = 0.0
        for i in range(count):
            scatter += (fluxes[i] - mean) ** 2
        for attempt in range(_STARTS.shape[0]):
            initial = _STARTS[attempt]
            x[0], x[1], x[2] = initial[0], initial[1], initial[3] - initial[4]
            evaluations = _fit(
                _EXPONENTIAL, x, time, bands, fluxes, count, rows, columns, triangle, pivot, lower
            )  # fmt: skip
            squares = norm(rows[0], count) ** 2
            error = math.sqrt(variance(triangle, _EXPONENTIAL, pivot, 2, columns[9]))
            rising = (
                evaluations < EVALUATIONS
                and squares / scatter <= _WORST_EXPONENTIAL
                and 0.0 <= x[2] <= _FASTEST_EXPONENTIAL
                and _SIGNIFICANCE * error <= x[2]
            )
            criterion = count * math.log(squares / count) + 2.0 * _EXPONENTIAL
            for j in range(5):
                other[j] = initial[j]
            evaluations = _fit(_BAZIN, other, time, bands, fluxes, count, rows, columns, triangle, pivot, lower)
            squares = norm(rows[0], count) ** 2
            rise, fall = other[3], other[4]
            peaked = (
                evaluations < EVALUATIONS
                and squares > 0.0
                and squares / scatter <= _WORST_BAZIN
                and 0.0 <= rise <= _FASTEST_RISE
                and 0.0 <= fall <= _FASTEST_FALL
            )
            if rising and not (peaked and count * math.log(squares / count) + 2.0 * _BAZIN <= criterion):
                accepted[row] = _EXPONENTIAL
                values[row, _RISE], values[row, _TEMPERATURE] = x[2], x[1]
                break
            if peaked:
                accepted[row] = _BAZIN
                values[row, _RISE], values[row, _FALL], values[row, _TEMPERATURE] = rise, fall, other[1]
                values[row, _PEAK_TIME] = start
                if rise > fall:
                    since = -math.log(fall / (rise - fall)) / rise
                    values[row, _PEAK_TIME] = start + other[2] + since
                    brightest = 0.0
                    for code in range(6):
                        brightest = max(brightest, black_body(code, other[1]))
                    values[row, _PEAK_FLUX] = (
                        other[0] * brightest * math.exp(-fall * since) / (1.0 + math.exp(-rise * since))
                    )
                break
    return values, accepted

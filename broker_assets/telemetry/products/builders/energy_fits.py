"""Lines of the radioactive calibration source fitted in the spectra of all pixels at once.

A line is a Gaussian over a polynomial; least squares without weights, by the method of Levenberg and Marquardt (K.
Madsen et al., *Methods for non-linear least squares problems*, 2004, algorithm 3.16, with Marquardt's scaling), one
damping per spectrum. Standard errors are those of the linearised model with the scatter of the residuals (as
``scipy.optimize.curve_fit`` gives them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FULL_WIDTH: Final = 2.35
"""Full width at half maximum of a Gaussian of standard deviation 1."""
TOLERANCE: Final = 1.0
"""keV; largest distance of a line from its expected energy."""
_ITERATIONS: Final = 200
_SMALLEST_STEP: Final = 1e-10
_SINGULAR: Final = 1e13
"""Condition number of the scaled normal equations above which parameters have no errors."""


@dataclass(frozen=True)
class Line:
    """A line and how it is fitted; keV."""

    energy: float
    """Expected energy."""
    ranges: tuple[tuple[float, float], ...]
    """Energy ranges that are fitted, ends included."""
    degree: int
    """Degree of the polynomial."""


LINE_31: Final = Line(31.0, ((30.2, 33.0), (40.0, 45.0)), 2)
LINE_81: Final = Line(81.0, ((80.5, 90.0),), 1)
STARTS: Final = tuple((shift / 5, width) for shift in range(-5, 6) for width in (0.35, 0.5, 0.8))
"""keV; shifts and standard deviations; the fit starts from the best pair."""
TRUE_31: Final = (30.6254 * 33.8 + 30.9731 * 62.4) / (33.8 + 62.4)
"""keV; the two caesium K-alpha lines weighted with their intensities."""
TRUE_81: Final = 80.9979
"""keV; the line of barium-133."""


@dataclass(frozen=True)
class Peaks:
    """A line in many spectra; keV, NaN where it cannot be fitted."""

    centre: NDArray[np.float64]
    """(n,)"""
    centre_error: NDArray[np.float64]
    resolution_error: NDArray[np.float64]
    """Standard error of the full width at half maximum."""
    found: NDArray[np.bool_]
    """Whether centre and width have errors, the centre is where it is expected, and the line is a peak, not a dip."""


def fit_line(energy: NDArray[np.float64], spectra: NDArray[np.float64], line: Line) -> Peaks:
    """Fit a line in each spectrum.

    Parameters
    ----------
    energy : (m,) array
        Centres of the energy bins, keV.
    spectra : (n, m) array
        Rates.
    line : Line

    Returns
    -------
    Peaks

    Examples
    --------
    >>> energy = np.arange(25.0, 100.0, 0.1)
    >>> spectrum = 7 * np.exp(-((energy - 81.2) ** 2) / (2 * 0.6**2)) + 3 - 0.01 * energy
    >>> round(float(fit_line(energy, spectrum[None], LINE_81).centre[0]), 6)
    81.2
    """
    chosen = np.zeros(len(energy), dtype=np.bool_)
    for low, high in line.ranges:
        chosen |= (energy >= low) & (energy <= high)
    x, y = energy[chosen], spectra[:, chosen].astype(np.float64)
    count = line.degree + 4
    usable = np.isfinite(y).all(axis=1) & (np.ptp(y, axis=1) > 0 if y.shape[1] else False)
    parameters = np.full((len(y), count), np.nan)
    errors = np.full((len(y), count), np.nan)
    if len(x) > count and usable.any():
        # Rates may be tiny or huge; the fit sees numbers about one.
        scale = np.abs(y[usable]).max(axis=1, keepdims=True)
        parameters[usable], errors[usable] = _fit(x, y[usable] / scale, line)
    centre, width = parameters[:, 0], parameters[:, 1]
    determined = np.isfinite(errors[:, :2]).all(axis=1) & np.isfinite(width)
    found = determined & (np.abs(centre - line.energy) < TOLERANCE) & (parameters[:, 2] > 0)
    return Peaks(centre, errors[:, 0], FULL_WIDTH * errors[:, 1], found)


def _basis(x: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    """(m, degree + 1) powers of the energy, centred and scaled so that they are about one."""
    half = max(float(np.ptp(x)) / 2, 1e-9)
    return np.vander((x - x.mean()) / half, line.degree + 1)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64], line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, p) parameters centre, width, amplitude, coefficients, and their standard errors."""
    basis = _basis(x, line)
    parameters = _start(x, y, basis, line)
    damping = np.full(len(y), 1e-3)
    growth = np.full(len(y), 2.0)
    residual, jacobian = _model(x, y, basis, parameters)
    cost = (residual**2).sum(axis=1)
    active = np.ones(len(y), dtype=np.bool_)
    for _ in range(_ITERATIONS):
        rows = np.flatnonzero(active)
        if not len(rows):
            break
        j, r = jacobian[rows], residual[rows]
        normal = j.transpose(0, 2, 1) @ j
        diagonal = np.einsum("nii->ni", normal)
        scaled = np.maximum(diagonal, 1e-12 * diagonal.max(axis=1, keepdims=True))
        gradient = np.einsum("nmi,nm->ni", j, r)
        damped = normal + (damping[rows, None] * scaled)[:, :, None] * np.eye(normal.shape[1])
        step = np.linalg.solve(damped, gradient[..., None])[..., 0]
        proposed = parameters[rows] + step
        new_residual, new_jacobian = _model(x, y[rows], basis, proposed)
        new_cost = (new_residual**2).sum(axis=1)
        expected = (step * (damping[rows, None] * scaled * step + gradient)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (cost[rows] - new_cost) / expected
        better = np.isfinite(new_cost) & (new_cost <= cost[rows])
        good = rows[better]
        parameters[good], residual[good], jacobian[good] = proposed[better], new_residual[better], new_jacobian[better]
        cost[good] = new_cost[better]
        with np.errstate(invalid="ignore"):
            factor = np.clip(np.nan_to_num(1 - (2 * gain[better] - 1) ** 3), 1 / 3, 2)
        damping[good] *= factor
        growth[good] = 2.0
        bad = rows[~better]
        damping[bad] *= growth[bad]
        growth[bad] *= 2
        small = np.abs(step) <= _SMALLEST_STEP * (np.abs(parameters[rows]) + _SMALLEST_STEP)
        active[rows[small.all(axis=1) | (damping[rows] > 1e12)]] = False
    parameters[:, 1] = np.abs(parameters[:, 1])
    return parameters, _errors(jacobian, cost, len(x))


def _start(
    x: NDArray[np.float64], y: NDArray[np.float64], basis: NDArray[np.float64], line: Line
) -> NDArray[np.float64]:
    """(n, p) parameters with the best of some centres and widths; with these fixed, the problem is linear."""
    best = np.full((len(y), basis.shape[1] + 3), np.nan)
    least = np.full(len(y), np.inf)
    for shift, width in STARTS:
        gauss = np.exp(-0.5 * ((x - line.energy - shift) / width) ** 2)
        columns = np.column_stack([gauss, basis])
        linear = y @ np.linalg.pinv(columns).T
        cost = ((y - linear @ columns.T) ** 2).sum(axis=1)
        better = cost < least
        least[better] = cost[better]
        best[better, :2] = line.energy + shift, width
        best[better, 2:] = linear[better]
    return best


def _model(
    x: NDArray[np.float64], y: NDArray[np.float64], basis: NDArray[np.float64], parameters: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, m) data minus model, (n, m, p) derivatives of the model."""
    centre, width, amplitude = (parameters[:, i, None] for i in range(3))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        distance = (x - centre) / width
        gauss = np.exp(-0.5 * distance**2)
        slope = amplitude * gauss * distance / width
        derivatives = [slope, slope * distance, gauss]
    jacobian = np.concatenate([np.stack(derivatives, axis=2), np.broadcast_to(basis, (len(y), *basis.shape))], axis=2)
    return y - amplitude * gauss - parameters[:, 3:] @ basis.T, jacobian


def _errors(jacobian: NDArray[np.float64], cost: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """(n, p) standard errors; NaN where the data do not determine the parameters."""
    count = jacobian.shape[2]
    normal = jacobian.transpose(0, 2, 1) @ jacobian
    size = np.sqrt(np.einsum("nii->ni", normal))
    found = np.full(size.shape, np.nan)
    whole = np.isfinite(normal).all(axis=(1, 2)) & (size > 0).all(axis=1)
    correlation = normal[whole] / (size[whole][:, :, None] * size[whole][:, None, :])
    values = np.linalg.eigvalsh(correlation)
    regular = values[:, 0] * _SINGULAR > values[:, -1]
    rows = np.flatnonzero(whole)[regular]
    diagonal = np.einsum("nii->ni", np.linalg.inv(correlation[regular]))
    found[rows] = np.sqrt(diagonal * (cost[rows] / (points - count))[:, None]) / size[rows]
    return found

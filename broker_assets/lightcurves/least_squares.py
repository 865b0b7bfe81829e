"""The linear algebra of non-linear least squares: a step of the Levenberg–Marquardt method within a trust region.

Moré 1978, "The Levenberg–Marquardt algorithm: implementation and theory", Lecture Notes in Mathematics 630, p. 105;
tolerances and factors are those of MINPACK, so that fits end where its users expect. This module does not know the
function that is fitted. Matrices of few columns are stored column by column: `jacobian[j, i]` is the derivative of
residual i by parameter j.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vector = NDArray[np.float64]

EPSILON = 2.220446049250313e-16
_SMALLEST = 2.2250738585072014e-308


@njit(cache=True, nogil=True, error_model="numpy")
def norm(values: Vector, count: int) -> float:
    """Euclidean norm of the first values; NaN if one is NaN or two are infinite, as MINPACK has it.

    A trial step whose residuals overflow is then shortened less than one that is merely bad.
    """
    total = 0.0
    for i in range(count):
        total += values[i] * values[i]
    if total < math.inf:
        return math.sqrt(total)
    largest, infinite = 0.0, 0
    for i in range(count):
        if math.isnan(values[i]):
            return math.nan
        infinite += math.isinf(values[i])
        largest = max(largest, abs(values[i]))
    if infinite:
        return math.inf if infinite == 1 else math.nan
    total = 0.0
    for i in range(count):
        total += (values[i] / largest) ** 2
    return largest * math.sqrt(total)


@njit(cache=True, nogil=True, error_model="numpy")
def factorise(
    jacobian: Vector, points: int, parameters: int, residuals: Vector, pivot: NDArray[np.int64], norms: Vector,
    triangle: Vector, rotated: Vector, work: Vector,
) -> None:  # fmt: skip
    """QR factorisation by Householder reflections with column pivoting, in place.

    Parameters
    ----------
    jacobian : (p, m) float64 array
        Destroyed.
    points, parameters : int
        m and p; m ≥ p.
    residuals : (m,) float64 array
        Destroyed: becomes Qᵀ·residuals.
    pivot : (p,) int64 array
        Result: column of the Jacobian that each column of the triangle is.
    norms : (p,) float64 array
        Result: norms of the columns of the Jacobian.
    triangle : (p, p) float64 array
        Result: R, `triangle[i, j]` for i ≤ j.
    rotated : (p,) float64 array
        Result: the first p elements of Qᵀ·residuals.
    work : (2, p) float64 array
        Scratch: lengths of what remains of the columns, and those at their last exact computation.
    """
    for j in range(parameters):
        total = 0.0
        for i in range(points):
            total += jacobian[j, i] * jacobian[j, i]
        norms[j] = math.sqrt(total)
        work[0, j] = work[1, j] = norms[j]
        pivot[j] = j
    for j in range(parameters):
        longest = j
        for k in range(j + 1, parameters):
            if work[0, k] > work[0, longest]:
                longest = k
        if longest != j:
            for i in range(points):
                jacobian[j, i], jacobian[longest, i] = jacobian[longest, i], jacobian[j, i]
            for i in range(j):
                triangle[i, j], triangle[i, longest] = triangle[i, longest], triangle[i, j]
            work[0, longest], work[1, longest] = work[0, j], work[1, j]
            pivot[j], pivot[longest] = pivot[longest], pivot[j]
        total = 0.0
        for i in range(j, points):
            total += jacobian[j, i] * jacobian[j, i]
        length = math.sqrt(total)
        if length == 0.0:
            triangle[j, j] = 0.0
            for k in range(j + 1, parameters):
                triangle[j, k] = jacobian[k, j]
            rotated[j] = residuals[j]
            continue
        if jacobian[j, j] < 0.0:
            length = -length
        for i in range(j, points):
            jacobian[j, i] /= length
        jacobian[j, j] += 1.0
        for k in range(j + 1, parameters):
            total = 0.0
            for i in range(j, points):
                total += jacobian[j, i] * jacobian[k, i]
            factor = total / jacobian[j, j]
            for i in range(j, points):
                jacobian[k, i] -= factor * jacobian[j, i]
            triangle[j, k] = jacobian[k, j]
            if work[0, k] != 0.0:
                share = jacobian[k, j] / work[0, k]
                work[0, k] *= math.sqrt(max(0.0, 1.0 - share * share))
                if 0.05 * (work[0, k] / work[1, k]) ** 2 <= EPSILON:
                    total = 0.0
                    for i in range(j + 1, points):
                        total += jacobian[k, i] * jacobian[k, i]
                    work[0, k] = work[1, k] = math.sqrt(total)
        total = 0.0
        for i in range(j, points):
            total += jacobian[j, i] * residuals[i]
        factor = total / jacobian[j, j]
        for i in range(j, points):
            residuals[i] -= factor * jacobian[j, i]
        triangle[j, j] = -length
        rotated[j] = residuals[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _rank(triangle: Vector, parameters: int) -> int:
    for j in range(parameters):
        if triangle[j, j] == 0.0:
            return j
    return parameters


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_damped(
    triangle: Vector, parameters: int, pivot: NDArray[np.int64], damping: Vector, rotated: Vector, step: Vector,
    lower: Vector, diagonal: Vector, work: Vector,
) -> None:  # fmt: skip
    """Least squares of R·Pᵀ·x ≈ Qᵀ·r together with D·x ≈ 0, by Givens rotations of D into the triangle.

    The triangle of the whole, transposed, is left in `lower` (below the diagonal) and `diagonal`.
    """
    for j in range(parameters):
        for i in range(j, parameters):
            lower[i, j] = triangle[j, i]
        work[j] = rotated[j]
    for j in range(parameters):
        entry = damping[pivot[j]]
        if entry != 0.0:
            for k in range(j, parameters):
                diagonal[k] = 0.0
            diagonal[j] = entry
            carried = 0.0
            for k in range(j, parameters):
                if diagonal[k] == 0.0:
                    continue
                if abs(lower[k, k]) < abs(diagonal[k]):
                    cotangent = lower[k, k] / diagonal[k]
                    sine = 0.5 / math.sqrt(0.25 + 0.25 * cotangent * cotangent)
                    cosine = sine * cotangent
                else:
                    tangent = diagonal[k] / lower[k, k]
                    cosine = 0.5 / math.sqrt(0.25 + 0.25 * tangent * tangent)
                    sine = cosine * tangent
                lower[k, k] = cosine * lower[k, k] + sine * diagonal[k]
                work[k], carried = cosine * work[k] + sine * carried, -sine * work[k] + cosine * carried
                for i in range(k + 1, parameters):
                    lower[i, k], diagonal[i] = (
                        cosine * lower[i, k] + sine * diagonal[i],
                        -sine * lower[i, k] + cosine * diagonal[i],
                    )
        diagonal[j] = lower[j, j]
    rank = parameters
    for j in range(parameters):
        if diagonal[j] == 0.0 and rank == parameters:
            rank = j
        if rank < parameters:
            work[j] = 0.0
    for j in range(rank - 1, -1, -1):
        total = 0.0
        for i in range(j + 1, rank):
            total += lower[i, j] * work[i]
        work[j] = (work[j] - total) / diagonal[j]
    for j in range(parameters):
        step[pivot[j]] = work[j]


@njit(cache=True, nogil=True, error_model="numpy")
def damped_step(
    triangle: Vector, parameters: int, pivot: NDArray[np.int64], scale: Vector, rotated: Vector, radius: float,
    parameter: float, step: Vector, work: Vector,
) -> float:  # fmt: skip
    """A step of at most the radius of the trust region, and the Levenberg–Marquardt parameter that gives it.

    Parameters
    ----------
    triangle, pivot, rotated : arrays
        See `factorise`.
    parameters : int
        p.
    scale : (p,) float64 array
        The step is measured as |scale·step|.
    radius : float
        Of the trust region; met within a tenth.
    parameter : float
        First guess.
    step : (p,) float64 array
        Result; to be subtracted.
    work : (p + 4, p) float64 array
        Scratch.

    Returns
    -------
    float
        The parameter: 0 if the Gauss–Newton step lies within the region.
    """
    lower, vector, scaled, diagonal, turned = (
        work,
        work[parameters],
        work[parameters + 1],
        work[parameters + 2],
        work[parameters + 3],
    )
    rank = _rank(triangle, parameters)
    for j in range(parameters):
        vector[j] = rotated[j] if j < rank else 0.0
    for j in range(rank - 1, -1, -1):
        vector[j] /= triangle[j, j]
        for i in range(j):
            vector[i] -= triangle[i, j] * vector[j]
    for j in range(parameters):
        step[pivot[j]] = vector[j]
    for j in range(parameters):
        scaled[j] = scale[j] * step[j]
    length = norm(scaled, parameters)
    excess = length - radius
    if excess <= 0.1 * radius:
        return 0.0
    least = 0.0
    if rank == parameters:
        for j in range(parameters):
            vector[j] = scale[pivot[j]] * (scaled[pivot[j]] / length)
        for j in range(parameters):
            total = 0.0
            for i in range(j):
                total += triangle[i, j] * vector[i]
            vector[j] = (vector[j] - total) / triangle[j, j]
        slope = norm(vector, parameters)
        least = excess / radius / slope / slope
    for j in range(parameters):
        total = 0.0
        for i in range(j + 1):
            total += triangle[i, j] * rotated[i]
        vector[j] = total / scale[pivot[j]]
    gradient = norm(vector, parameters)
    most = gradient / radius
    if most == 0.0:
        most = _SMALLEST / min(radius, 0.1)
    parameter = min(max(parameter, least), most)
    if parameter == 0.0:
        parameter = gradient / length
    for iteration in range(1, 11):
        if parameter == 0.0:
            parameter = max(_SMALLEST, 0.001 * most)
        root = math.sqrt(parameter)
        for j in range(parameters):
            vector[j] = root * scale[j]
        _solve_damped(triangle, parameters, pivot, vector, rotated, step, lower, diagonal, turned)
        for j in range(parameters):
            scaled[j] = scale[j] * step[j]
        length = norm(scaled, parameters)
        before, excess = excess, length - radius
        if abs(excess) <= 0.1 * radius or (least == 0.0 and excess <= before < 0.0) or iteration == 10:
            break
        for j in range(parameters):
            vector[j] = scale[pivot[j]] * (scaled[pivot[j]] / length)
        for j in range(parameters):
            vector[j] /= diagonal[j]
            for i in range(j + 1, parameters):
                vector[i] -= lower[i, j] * vector[j]
        slope = norm(vector, parameters)
        correction = excess / radius / slope / slope
        if excess > 0.0:
            least = max(least, parameter)
        elif excess < 0.0:
            most = min(most, parameter)
        parameter = max(least, parameter + correction)
    return parameter


@njit(cache=True, nogil=True, error_model="numpy")
def judged(
    triangle: Vector, parameters: int, pivot: NDArray[np.int64], step: Vector, size: float, size_there: float,
    length: float, radius: float, damping: float, work: Vector,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """How good a step was, and the trust region for the next one.

    Parameters
    ----------
    triangle, parameters, pivot
        As `factorise` leaves them.
    step : (p,) float64 array
        The step.
    size, size_there : float
        Norm of the residuals before and after it.
    length : float
        Norm of the scaled step.
    radius, damping : float
        Of the step; see `damped_step`.
    work : (p,) float64 array
        Destroyed.

    Returns
    -------
    actual, predicted : float
        Reduction of the sum of squares, of 1; −1 where the residuals are ten times as large.
    ratio : float
        Of the two.
    radius, damping : float
        For the next step.
    """
    actual = 1.0 - (size_there / size) ** 2 if 0.1 * size_there < size else -1.0
    for j in range(parameters):
        work[j] = 0.0
        for i in range(j + 1):
            work[i] += triangle[i, j] * step[pivot[j]]
    linear, damped = norm(work, parameters) / size, math.sqrt(damping) * length / size
    predicted = linear * linear + 2.0 * damped * damped
    descent = -(linear * linear + damped * damped)
    ratio = actual / predicted if predicted != 0.0 else 0.0
    if ratio <= 0.25:
        shrink = 0.5 if actual >= 0.0 else 0.5 * descent / (descent + 0.5 * actual)
        if 0.1 * size_there >= size or shrink < 0.1:
            shrink = 0.1
        radius = shrink * min(radius, length / 0.1)
        damping /= shrink
    elif damping == 0.0 or ratio >= 0.75:
        radius = 2.0 * length
        damping *= 0.5
    return actual, predicted, ratio, radius, damping


@njit(cache=True, nogil=True, error_model="numpy")
def variance(triangle: Vector, parameters: int, pivot: NDArray[np.int64], which: int, work: Vector) -> float:
    """Diagonal element of (JᵀJ)⁻¹ for one parameter; NaN if the matrix is singular.

    Parameters
    ----------
    triangle, pivot : arrays
        See `factorise`.
    parameters, which : int
        p, and the parameter.
    work : (p,) float64 array
        Scratch.
    """
    if _rank(triangle, parameters) < parameters:
        return math.nan
    # With JP = QR, it is the squared length of R⁻ᵀ·e, where e selects the column of the parameter.
    total = 0.0
    for j in range(parameters):
        value = 1.0 if pivot[j] == which else 0.0
        for i in range(j):
            value -= triangle[i, j] * work[i]
        work[j] = value / triangle[j, j]
        total += work[j] * work[j]
    return total

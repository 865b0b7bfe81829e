"""The linear algebra of the fits against dense solutions of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.lightcurves.least_squares import damped_step, factorise, judged, norm, variance


def _factorised(jacobian: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, ...]:
    points, parameters = jacobian.shape
    pivot, norms = np.zeros(parameters, np.int64), np.zeros(parameters)
    triangle, rotated = np.zeros((parameters, parameters)), np.zeros(parameters)
    factorise(
        jacobian.T.copy(), points, parameters, residuals.copy(), pivot, norms, triangle, rotated,
        np.zeros((2, parameters)),
    )  # fmt: skip
    return triangle, pivot, norms, rotated


@pytest.mark.parametrize("seed", range(10))
def test_the_triangle_is_that_of_the_pivoted_jacobian(seed: int) -> None:
    random = np.random.default_rng(seed)
    jacobian = random.normal(size=(12, 5)) * 10.0 ** random.integers(-4, 5, 5)
    residuals = random.normal(size=12)
    triangle, pivot, norms, rotated = _factorised(jacobian, residuals)
    permuted = jacobian[:, pivot]
    np.testing.assert_allclose(np.triu(triangle).T @ np.triu(triangle), permuted.T @ permuted, rtol=1e-8)
    np.testing.assert_allclose(np.triu(triangle).T @ rotated, permuted.T @ residuals, rtol=1e-8)
    np.testing.assert_allclose(norms, np.linalg.norm(jacobian, axis=0))
    assert (np.diff(np.abs(np.diag(triangle))) <= 1e-12).all()
    expected = np.linalg.inv(triangle.T @ triangle)
    for place, which in enumerate(pivot):
        assert variance(triangle, 5, pivot, which, np.zeros(5)) == pytest.approx(expected[place, place], rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("radius", [1e-3, 0.5, 1e6])
def test_steps_are_damped_to_the_trust_region(seed: int, radius: float) -> None:
    random = np.random.default_rng(seed)
    jacobian, residuals = random.normal(size=(9, 4)), random.normal(size=9)
    scale = random.uniform(0.5, 2.0, 4)
    triangle, pivot, _, rotated = _factorised(jacobian, residuals)
    step = np.zeros(4)
    damping = damped_step(triangle, 4, pivot, scale, rotated, radius, 0.0, step, np.zeros((8, 4)))
    normal = jacobian.T @ jacobian + damping * np.diag(scale**2)
    np.testing.assert_allclose(normal @ step, jacobian.T @ residuals, rtol=1e-8, atol=1e-10)
    length = np.linalg.norm(scale * step)
    assert length <= 1.1 * radius
    assert damping == 0.0 or length >= 0.9 * radius


def test_a_column_of_zeros_has_no_variance_and_no_step() -> None:
    jacobian = np.random.default_rng(1).normal(size=(6, 3))
    jacobian[:, 1] = 0.0
    triangle, pivot, _, rotated = _factorised(jacobian, np.ones(6))
    assert np.isnan(variance(triangle, 3, pivot, 0, np.zeros(3)))
    step = np.zeros(3)
    damped_step(triangle, 3, pivot, np.ones(3), rotated, 1e3, 0.0, step, np.zeros((7, 3)))
    assert step[1] == 0.0


def test_norms_do_not_overflow_and_two_infinities_have_none() -> None:
    assert norm(np.array([3.0, 4.0]), 2) == 5.0
    assert norm(np.array([3e200, 4e200]), 2) == pytest.approx(5e200)
    assert norm(np.array([np.inf, 1.0]), 2) == np.inf
    assert np.isnan(norm(np.array([np.inf, np.inf]), 2))
    assert np.isnan(norm(np.array([np.nan, 1.0]), 2))


@pytest.mark.parametrize("seed", range(10))
def test_a_step_is_judged_by_what_it_promised(seed: int) -> None:
    random = np.random.default_rng(seed)
    jacobian, residuals = random.normal(size=(12, 5)), random.normal(size=12)
    triangle, pivot, _, rotated = _factorised(jacobian, residuals)
    step = np.zeros(5)
    damping = damped_step(triangle, 5, pivot, np.ones(5), rotated, 1e6, 0.0, step, np.zeros((9, 5)))
    size, there, length = np.linalg.norm(residuals), np.linalg.norm(residuals - jacobian @ step), np.linalg.norm(step)
    actual, predicted, ratio, radius, _ = judged(
        triangle, 5, pivot, -step, size, there, length, 1e6, damping, np.zeros(5)
    )
    # What is linear does what is predicted, and the region may grow.
    assert (actual, ratio, radius) == (pytest.approx(predicted), pytest.approx(1.0), 2.0 * length)
    # A step to where all is far worse shrinks the region to a tenth, and dampens the next.
    actual, _, ratio, radius, damped = judged(
        triangle, 5, pivot, -step, size, 20.0 * size, length, 2.0 * length, 0.5, np.zeros(5)
    )
    assert (actual, radius, damped) == (-1.0, pytest.approx(0.2 * length), pytest.approx(5.0))
    assert ratio < 0.0

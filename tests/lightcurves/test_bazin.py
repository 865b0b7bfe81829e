"""Fits of the function of Bazin against SciPy's, and against what the light curve was made from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares

from broker_assets.lightcurves.bazin import FEWEST, NAMES, bazin_fits
from broker_assets.lightcurves.distributions import ALL_BANDS, rows_of
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves

Vector = NDArray[np.float64]


def bazin(time: Vector, x: Vector) -> Vector:
    """The function, written out."""
    since = time - x[2]
    return x[0] * np.exp(-since / x[4]) / (1.0 + np.exp(-since / x[3])) + x[1]


@pytest.fixture(scope="module")
def supernovae() -> tuple[list[tuple[Vector, Vector, Vector]], Vector, JoinedCurves]:
    """Light curves, the parameters they were made with, and the same light curves joined."""
    random = np.random.default_rng(4)
    curves, truths = [], []
    for _ in range(60):
        number = int(random.integers(12, 60))
        time = np.sort(random.uniform(0, 120, number))
        truth = [random.uniform(2000, 9000), random.normal(0, 200), random.uniform(25, 60), random.uniform(1.5, 6)]
        truth.append(random.uniform(10, 40))
        error = random.uniform(30, 150, number)
        curves.append((time, bazin(time, np.array(truth)) + random.normal(0, error), error))
        truths.append(truth)
    owner = np.repeat(np.arange(60), [len(time) for time, _, _ in curves])
    time, flux, error = (np.concatenate(parts) for parts in zip(*curves, strict=True))
    joined = JoinedCurves.of(60, Columns(owner, 61000.0 + time, flux, error, np.full(len(owner), 2)))
    return curves, np.array(truths), joined


def test_no_worse_than_scipy_from_the_truth(
    supernovae: tuple[list[tuple[Vector, Vector, Vector]], Vector, JoinedCurves],
) -> None:
    curves, truths, joined = supernovae
    owner, band = rows_of(joined)
    found = bazin_fits(joined, owner, band)
    assert np.isnan(found[band == ALL_BANDS]).all()
    found = found[band != ALL_BANDS]
    assert np.isfinite(found).all()
    good = 0
    for (time, flux, error), truth, fit in zip(curves, truths, found, strict=True):
        scaled = least_squares(
            lambda x, time=time, flux=flux, error=error: (bazin(time, x) - flux) / error, truth, x_scale=np.abs(truth)
        )
        good += fit[NAMES.index("bazinreducedchi2")] <= 2.0 * scaled.cost / (len(time) - 5) * (1 + 1e-5)
    assert good >= 58, "now and then another minimum is lower, or the search ends in one that is higher"
    assert np.median(np.abs(found[:, 4] / truths[:, 4] - 1.0)) < 0.1
    assert np.median(np.abs(found[:, 2] - 61000.0 - truths[:, 2])) < 1.0


def test_no_worse_than_the_reference(
    supernovae: tuple[list[tuple[Vector, Vector, Vector]], Vector, JoinedCurves],
) -> None:
    lc = pytest.importorskip("light_curve", reason="the reference light-curve is not installed")
    curves, _, joined = supernovae
    owner, band = rows_of(joined)
    found = bazin_fits(joined, owner, band)[band != ALL_BANDS]
    feature = lc.BazinFit("lmsder", lmsder_niter=40)
    expected = np.array([feature(61000.0 + time, flux, error) for time, flux, error in curves])
    same = np.abs(found[:, 5] / expected[:, 5] - 1.0) < 1e-6
    assert (found[:, 5] <= expected[:, 5] * (1 + 1e-6)).sum() >= 58
    assert same.sum() > 40
    assert np.median(np.abs(found[same, :5] / expected[same, :5] - 1.0), axis=0).max() < 1e-4


@pytest.mark.parametrize(
    "flux",
    [np.full(20, 5.0), np.linspace(0.0, 100.0, 20), np.r_[np.zeros(19), 1e7], np.r_[1e30, np.zeros(19)]],
    ids=["constant", "line", "one point", "enormous"],
)
def test_what_is_no_supernova_does_no_harm(flux: Vector) -> None:
    columns = Columns(np.zeros(20), np.arange(20.0), flux, np.ones(20), np.zeros(20))
    curves = JoinedCurves.of(1, columns)
    found = bazin_fits(curves, *rows_of(curves))[0]
    assert np.isfinite(found).all() or np.isnan(found).all()
    few = JoinedCurves.of(1, Columns(*(np.asarray(part)[: FEWEST - 1] for part in columns)))
    assert np.isnan(bazin_fits(few, *rows_of(few))).all()
    unknown = JoinedCurves.of(1, columns._replace(error=np.full(20, np.nan)))
    assert np.isnan(bazin_fits(unknown, *rows_of(unknown))).all()

"""Periodograms against the package `light-curve`, and against astronomical common sense."""

from __future__ import annotations

import joined_specimens
import numpy as np
import pytest

from broker_assets.lightcurves.distributions import ALL_BANDS, rows_of
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.periodograms import FEWEST, MOST, frequencies, periodograms


@pytest.mark.parametrize("seed", range(2))
def test_as_the_reference_has_it(seed: int) -> None:
    lc = pytest.importorskip("light_curve", reason="the reference light-curve is not installed")
    curves = joined_specimens.curves(seed, objects=6, each=60)
    owner, band = rows_of(curves)
    found = periodograms(curves, owner, band)
    compared = 0
    for row, (number, code) in enumerate(zip(owner, band, strict=True)):
        time, value, error = joined_specimens.rows(curves, int(number), int(code))
        if len(time) < FEWEST:
            assert np.isnan(found[row]).all()
            continue
        grid = 2.0 * np.pi * frequencies(time[-1] - time[0], len(time))
        expected = lc.Periodogram(peaks=2, fast=False, freqs=grid)(time, value, error)
        assert found[row] == pytest.approx(expected, rel=1e-6)
        compared += 1
    assert compared > 10


def test_a_period_is_found_in_each_band_and_in_all() -> None:
    random = np.random.default_rng(1)
    time, band = 61000.0 + np.sort(random.uniform(0, 90, 90)), random.integers(0, 3, 90)
    flux = 1000.0 * band + (300.0 + 100.0 * band) * np.sin(2 * np.pi * time / 2.7135) + random.normal(0, 30, 90)
    curves = JoinedCurves.of(1, Columns(np.zeros(90), time, flux, np.full(90, 30.0), band))
    owner, code = rows_of(curves)
    found = periodograms(curves, owner, code)
    assert found[:, 0] == pytest.approx(2.7135, rel=2e-3)
    assert found[code == ALL_BANDS, 1] > found[code < ALL_BANDS, 1].max()


def test_what_has_no_periodogram() -> None:
    flat = Columns(np.zeros(20), np.arange(20.0), np.full(20, 5.0), np.ones(20), np.zeros(20))
    at_once = flat._replace(mjd=np.full(20, 5.0), flux=np.arange(20.0))
    few = Columns(*(np.asarray(part)[: FEWEST - 1] for part in flat._replace(flux=np.arange(20.0) ** 2)))
    for columns in (flat, at_once, few):
        curves = JoinedCurves.of(1, columns)
        assert np.isnan(periodograms(curves, *rows_of(curves))).all()
    assert len(frequencies(10.0, 100_000)) == MOST

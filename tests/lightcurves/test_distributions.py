"""Statistics against the package `light-curve`, where their definitions agree, and against plain numpy."""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import Any

import joined_specimens
import numpy as np
import pytest

from broker_assets.lightcurves.distributions import ALL_BANDS, DETECTION_SIGMA, NAMES, distributions, rows_of
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves

TOLERANCE = 1e-6
"""Relative; the reference holds quantiles in single precision."""


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    module: ModuleType = pytest.importorskip("light_curve", reason="the reference light-curve is not installed")
    return module


def features(lc: ModuleType) -> dict[tuple[str, ...], Any]:
    """The reference of columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = lc.FluxNNotDetBeforeFd(signal_to_noise=DETECTION_SIGMA)
    return {
        ("npoints",): lc.ObservationCount(),
        ("nnotdetectedbefore",): before,
        ("duration",): lc.Duration(),
        ("minimumtimeinterval",): lc.MinimumTimeInterval(),
        ("maximumtimeinterval",): lc.MaximumTimeInterval(),
        ("timemean",): lc.TimeMean(),
        ("timestandarddeviation",): lc.TimeStandardDeviation(),
        ("mean",): lc.Mean(),
        ("weightedmean",): lc.WeightedMean(),
        ("median",): lc.Median(),
        ("amplitude",): lc.Amplitude(),
        ("percentamplitude",): lc.PercentAmplitude(),
        ("standarddeviation",): lc.StandardDeviation(),
        ("skew",): lc.Skew(),
        ("kurtosis",): lc.Kurtosis(),
        ("medianabsolutedeviation",): lc.MedianAbsoluteDeviation(),
        ("medianbufferrange",): lc.MedianBufferRangePercentage(0.1),
        ("interpercentilerange25",): lc.InterPercentileRange(0.25),
        ("interpercentilerange10",): lc.InterPercentileRange(0.1),
        ("interpercentilerange2",): lc.InterPercentileRange(0.02),
        ("percentageratio40to5",): lc.MagnitudePercentageRatio(0.4, 0.05),
        ("percentageratio20to10",): lc.MagnitudePercentageRatio(0.2, 0.1),
        ("beyond1std",): lc.BeyondNStd(1),
        ("beyond2std",): lc.BeyondNStd(2),
        ("andersondarling",): lc.AndersonDarlingNormal(),
        ("excessvariance",): lc.ExcessVariance(),
        ("reducedchi2",): lc.ReducedChi2(),
        ("stetsonk",): lc.StetsonK(),
        ("roms",): lc.Roms(),
        ("eta",): lc.Eta(),
        ("etae",): lc.EtaE(),
        ("cusum",): lc.Cusum(),
        ("maximumslope",): lc.MaximumSlope(),
        ("lineartrend", "lineartrendsigma", "lineartrendnoise"): lc.LinearTrend(),
        ("linearfitslope", "linearfitslopesigma", "linearfitreducedchi2"): lc.LinearFit(),
    }


NOT_OVER_BANDS = {"mean", "weightedmean", "median", "excessvariance"}
OURS_ALONE = {"ndetections", "nforced", "nlimits", "nlimitsbefore", "nlimitsafter", "lastlimitbefore", "dayssincelimit"}


@pytest.mark.parametrize("seed", range(2))
def test_as_the_reference_has_it(reference: ModuleType, seed: int) -> None:
    curves = joined_specimens.curves(seed, objects=15, each=40)
    owner, band = rows_of(curves)
    found = distributions(curves, owner, band)
    wanted = features(reference)
    assert {name for names in wanted for name in names} | OURS_ALONE == set(NAMES)
    compared = 0
    for row, (number, code) in enumerate(zip(owner, band, strict=True)):
        time, value, error = joined_specimens.rows(curves, int(number), int(code))
        if len(time) < 4:  # the reference refuses fewer
            continue
        detected = value > DETECTION_SIGMA * error
        for names, feature in wanted.items():
            if names == ("nnotdetectedbefore",) and (detected.all() or not detected.any()):
                continue  # the reference refuses these
            for name, expected in zip(names, np.atleast_1d(feature(time, value, error)), strict=True):
                if code == ALL_BANDS and (name in NOT_OVER_BANDS or name == "nnotdetectedbefore"):
                    continue
                ours = found[row, NAMES.index(name)]
                scale = 1e-9 * float(np.std(value)) if name in ("lineartrend", "linearfitslope") else 1e-12
                assert ours == pytest.approx(expected, rel=TOLERANCE, abs=scale), (name, len(time))
                compared += 1
    assert compared > 500


def test_counts_before_and_after_detections() -> None:
    curves = JoinedCurves.of(
        1,
        Columns([0, 0], [10.0, 12.0], [600.0, 300.0], [100.0, 100.0], [1, 1]),
        Columns([0, 0, 0], [8.0, 9.0, 20.0], [100.0, 50.0, 2000.0], [100.0] * 3, [1, 2, 2]),
        Columns([0] * 4, [1.0, 9.5, 11.0, 13.0], [500.0, 400.0, 450.0, 470.0], [1.0] * 4, [1, 1, 1, 1]),
    )
    owner, band = rows_of(curves)
    assert band.tolist() == [1, 2, ALL_BANDS]
    rows = [dict(zip(NAMES, row, strict=True)) for row in distributions(curves, owner, band)]
    assert [rows[0][name] for name in NAMES[:7]] == [3, 2, 1, 1, 4, 2, 1]
    assert (rows[0]["lastlimitbefore"], rows[0]["dayssincelimit"]) == (400.0, 0.5)
    assert [rows[1][name] for name in NAMES[:5]] == [2, 0, 2, 1, 0]
    assert math.isnan(rows[1]["nlimitsbefore"])
    assert [rows[2][name] for name in NAMES[:7]] == [5, 2, 3, 2, 4, 2, 1]


def test_points_without_uncertainty_have_no_weight() -> None:
    curves = joined_specimens.curves(3, objects=10, each=20, unknown=0.5)
    owner, band = rows_of(curves)
    found = distributions(curves, owner, band)
    for row in np.flatnonzero(band < ALL_BANDS):
        _, value, error = joined_specimens.rows(curves, int(owner[row]), int(band[row]))
        known = np.isfinite(error)
        ours = found[row]
        assert ours[NAMES.index("mean")] == pytest.approx(value.mean())
        if known.sum() > 1:
            mean = np.average(value[known], weights=error[known] ** -2)
            assert ours[NAMES.index("weightedmean")] == pytest.approx(mean)
            chi2 = (((value - mean) / error)[known] ** 2).sum() / (known.sum() - 1)
            assert ours[NAMES.index("reducedchi2")] == pytest.approx(chi2)
        if not known.all():
            assert np.isnan(ours[NAMES.index("excessvariance")])


@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_few_and_equal_points(points: int) -> None:
    curves = JoinedCurves.of(1, Columns([0] * points, [5.0] * points, [7.0] * points, [1.0] * points, [0] * points))
    owner, band = rows_of(curves)
    ours = dict(zip(NAMES, distributions(curves, owner, band)[0], strict=True))
    assert (ours["amplitude"], ours["median"], ours["duration"]) == (0.0, 7.0, 0.0)
    for name in ("skew", "eta", "stetsonk", "maximumslope", "lineartrend", "andersondarling", "percentageratio40to5"):
        assert math.isnan(ours[name])


def test_colours_are_not_variability() -> None:
    band = np.arange(60) % 3
    curves = JoinedCurves.of(1, Columns([0] * 60, np.arange(60.0), 1000.0 * band, np.full(60, 10.0), band))
    owner, code = rows_of(curves)
    ours = dict(zip(NAMES, distributions(curves, owner, code)[-1], strict=True))
    assert ours["amplitude"] == pytest.approx(0.0, abs=1e-9)
    assert ours["npoints"] == 60

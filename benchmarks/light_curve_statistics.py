"""Statistics of light curves: objects per second by stage, compared in the same run with another method.

The light curves are simulated (`benchmarks/features.py`), with one to two hundred points each in six bands. The other
method is the package `light-curve` if it is installed (compiled, one thread), else plain numpy; it computes the same
statistics, by band and over all bands, for a sample of the same light curves; 40 iterations of its Bazin fit give about
the same χ².
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from features import measured, simulated
from numpy.typing import NDArray

from broker_assets.lightcurves.bazin import FEWEST as FEWEST_BAZIN
from broker_assets.lightcurves.bazin import bazin_fits
from broker_assets.lightcurves.distributions import ALL_BANDS, distributions, rows_of
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.periodograms import FEWEST, frequencies, periodograms
from broker_assets.lightcurves.statistics import statistics

OBJECTS = 40_000
SAMPLE = 300
ERROR = 50.0
TARGETS = {"statistics without fits and periodograms": 40_000.0}
"""Objects a second on one core."""

Rows = list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]


def reference() -> ModuleType | None:
    """The package `light-curve`, if it is installed."""
    if importlib.util.find_spec("light_curve") is None:
        return None
    return importlib.import_module("light_curve")


def extractor(lc: ModuleType) -> Any:
    """The same statistics in one pass of the package."""
    return lc.Extractor(
        lc.ObservationCount(), lc.Duration(), lc.MinimumTimeInterval(), lc.MaximumTimeInterval(), lc.TimeMean(),
        lc.TimeStandardDeviation(), lc.Mean(), lc.WeightedMean(), lc.Median(), lc.Amplitude(), lc.PercentAmplitude(),
        lc.StandardDeviation(), lc.Skew(), lc.Kurtosis(), lc.MedianAbsoluteDeviation(),
        lc.MedianBufferRangePercentage(0.1), lc.InterPercentileRange(0.25), lc.InterPercentileRange(0.1),
        lc.InterPercentileRange(0.02), lc.MagnitudePercentageRatio(0.4, 0.05), lc.MagnitudePercentageRatio(0.2, 0.1),
        lc.BeyondNStd(1), lc.BeyondNStd(2), lc.AndersonDarlingNormal(), lc.ExcessVariance(), lc.ReducedChi2(),
        lc.StetsonK(), lc.Roms(), lc.Eta(), lc.EtaE(), lc.Cusum(), lc.MaximumSlope(), lc.LinearTrend(), lc.LinearFit(),
    )  # fmt: skip


def with_numpy(rows: Rows) -> None:
    """A few of the statistics in numpy, row by row: what most classifiers' code does."""
    for time_, value, error in rows:
        mean = np.average(value, weights=error**-2)
        np.percentile(value, [2, 5, 10, 20, 25, 40, 60, 75, 80, 90, 95, 98], method="hazen")
        np.median(np.abs(value - np.median(value)))
        ((value - mean) / error).sum()
        np.polyfit(time_ - time_[0], value, 1) if len(value) > 2 else None
        np.cumsum(value - value.mean()).max()
        np.diff(value).std()


def measure(objects: int = OBJECTS, sample: int = SAMPLE, repeats: int = 3) -> list[tuple[str, float, float | None]]:
    """Objects a second, ours and the other way, by stage."""
    columns, _ = simulated(objects)
    error = np.full(len(columns["owner"]), ERROR)
    given = Columns(columns["owner"], columns["mjd"], columns["flux"], error, columns["band"])
    curves = JoinedCurves.of(objects, given)
    owner, band = rows_of(curves)
    chosen = np.flatnonzero(owner < sample)
    rows: Rows = []
    for number, code in zip(owner[chosen], band[chosen], strict=True):
        inside = slice(curves.offsets[number], curves.offsets[number + 1])
        of_band = (curves.band[inside] == code) | (code == ALL_BANDS)
        rows.append((curves.mjd[inside][of_band], curves.flux[inside][of_band], curves.error[inside][of_band]))
    lc = reference()
    other: dict[str, Callable[[], Any]] = {"distribution": lambda: with_numpy(rows)}
    if lc is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            extract, bazin = extractor(lc), lc.BazinFit("lmsder", lmsder_niter=40)
        long = [row for row in rows if len(row[0]) >= FEWEST]
        fitted = [row for row, code in zip(rows, band[chosen], strict=True) if len(row[0]) >= FEWEST_BAZIN
                  and code != ALL_BANDS]  # fmt: skip
        other = {
            "distribution": lambda: extract.many(rows, n_jobs=1, fill_value=np.nan, sorted=True, check=False),
            "periodogram": lambda: [
                lc.Periodogram(peaks=2, fast=False, freqs=2 * np.pi * frequencies(t[-1] - t[0], len(t)))(t, m, e)
                for t, m, e in long
            ],
            "bazin": lambda: [bazin(t, m, e) for t, m, e in fitted],
        }
    ours: dict[str, Callable[[], Any]] = {
        "join points": lambda: JoinedCurves.of(objects, given),
        "distribution": lambda: distributions(curves, owner, band),
        "statistics without fits and periodograms": lambda: distributions(
            curves := JoinedCurves.of(objects, given), *rows_of(curves)
        ),
        "periodogram": lambda: periodograms(curves, owner, band),
        "bazin": lambda: bazin_fits(curves, owner, band),
        "everything, as a table": lambda: statistics(curves),
    }
    return [
        (name, objects / measured(work, repeats), sample / measured(other[name], 1) if name in other else None)
        for name, work in ours.items()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="objects for the other way")
    arguments = parser.parse_args()
    figures = measure(arguments.objects, arguments.sample)
    name = "numpy" if reference() is None else "light-curve"
    print(f"{arguments.objects:,} objects. Processor time of one thread.")
    print(f"{'stage':42} {'objects/s/core':>15} {name:>13} {'times':>7} {'target':>9}")
    for stage, ours, other in figures:
        ratio = "" if other is None else f"{ours / other:,.1f}"
        target = f"{TARGETS[stage]:,.0f}" if stage in TARGETS else ""
        print(f"{stage:42} {ours:15,.0f} {'' if other is None else f'{other:,.0f}':>13} {ratio:>7} {target:>9}")


if __name__ == "__main__":
    main()

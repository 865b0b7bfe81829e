"""Running statistics of simulated objects equal those of all their measurements at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.simulation.photometry import ObjectStatistics

BANDS = ("g", "r")
visits = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.floats(-1e4, 1e5),
        st.floats(0.5, 50.0),
        st.floats(0.001, 3.0),
        st.booleans(),
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=60, deadline=None)
@given(visits)
def test_equal_the_statistics_of_the_whole(measured: list[tuple[int, float, float, float, bool]]) -> None:
    statistics = ObjectStatistics(2, BANDS)
    row = np.array([1])
    mjd = 60_000.0
    points: dict[int, list[tuple[float, float, float]]] = {0: [], 1: []}
    forced: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    for band, flux, error, later, detected in measured:
        mjd += later
        at = (row, np.array([band]))
        if detected:
            values = [np.array([value]) for value in (mjd, flux, error, 2 * flux, 3 * error)]
            statistics.detect(*at, *values)
            points[band].append((mjd, flux, error))
        statistics.force(*at, np.array([flux]), np.array([error]))
        forced[band].append((flux, error))
    found: dict[str, Any] = {name: values[0] for name, values in statistics.columns(row).items()}
    times = sorted(time for listed in points.values() for time, _, _ in listed)
    assert found["nDiaSources"] == len(times)
    assert (found["firstDiaSourceMjdTai"], found["lastDiaSourceMjdTai"]) == pytest.approx(
        (times[0], times[-1]) if times else (np.nan, np.nan), nan_ok=True
    )
    for index, name in enumerate(BANDS):
        table = np.array(points[index]).reshape(-1, 3)
        when, fluxes, errors = table[:, 0], table[:, 1], table[:, 2]
        assert found[f"{name}_psfFluxNdata"] == fluxes.size
        expected: dict[str, Any] = {
            "psfFluxMin": fluxes.min,
            "psfFluxMax": fluxes.max,
            "psfFluxErrMean": errors.mean,
        }
        for column, value in expected.items():
            assert found[f"{name}_{column}"] == pytest.approx(value() if fluxes.size else np.nan, nan_ok=True)
        spread = fluxes.std(ddof=1) if fluxes.size > 1 else np.nan
        assert found[f"{name}_psfFluxSigma"] == pytest.approx(spread, rel=1e-9, abs=1e-6, nan_ok=True)
        slope = (np.diff(fluxes) / np.diff(when)).max() if fluxes.size > 1 else np.nan
        assert found[f"{name}_psfFluxMaxSlope"] == pytest.approx(slope, rel=1e-6, nan_ok=True)
        weights = errors**-2.0
        mean = (fluxes * weights).sum() / weights.sum() if fluxes.size else np.nan
        assert found[f"{name}_psfFluxMean"] == pytest.approx(mean, rel=1e-9, abs=1e-9, nan_ok=True)
        assert found[f"{name}_scienceFluxMean"] == pytest.approx(2 * mean, rel=1e-9, abs=1e-9, nan_ok=True)
        assert found[f"{name}_psfFluxMeanErr"] == pytest.approx(
            weights.sum() ** -0.5 if fluxes.size else np.nan, nan_ok=True
        )
        known = np.array(forced[index]).reshape(-1, 2)
        weights = known[:, 1] ** -2.0
        mean = (known[:, 0] * weights).sum() / weights.sum() if len(known) else np.nan
        assert found[f"{name}_fpFluxMean"] == pytest.approx(mean, rel=1e-9, abs=1e-9, nan_ok=True)


def test_other_objects_stay_as_they_are() -> None:
    statistics = ObjectStatistics(3, BANDS)
    one = np.array([1.0, 1.0])
    statistics.detect(np.array([0, 2]), np.array([0, 1]), 60_000.0 * one, 5 * one, one, one, one)
    found = statistics.columns(np.array([1]))
    assert found["nDiaSources"].tolist() == [0]
    assert all(np.isnan(found[f"{band}_psfFluxMean"]).all() for band in BANDS)

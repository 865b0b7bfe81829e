"""What a chart shows: bright up, limits faintward, negatives counted, wild limits without effect."""

from __future__ import annotations

import numpy as np
import pytest
from chart_points import chart_points
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.lightcurves.chart.marks import marks, summary, ticks
from broker_assets.lightcurves.chart.state import ChartState

G, R = 1, 2
DETECTED, FORCED, LIMIT = 0, 1, 2
CURVE = (
    (60000.0, DETECTED, G, 1, 3630.78, 36.3),
    (60001.0, DETECTED, R, 1, 1000.0, 10.0),
    (60002.0, FORCED, R, 1, 5.0, 10.0),
    (60003.0, FORCED, G, 1, -500.0, 10.0),
    (60004.0, LIMIT, G, 2, 900.0, np.nan),
)


def test_magnitudes_have_limits_below_three_sigma_and_negatives_are_counted() -> None:
    shown = marks(chart_points(*CURVE), ChartState(y="mag"))
    assert shown.y[0] == pytest.approx(22.5, abs=1e-4)
    assert shown.error[0] == pytest.approx(0.01086, abs=1e-4)
    assert shown.is_limit.tolist() == [False, False, True, True]
    assert shown.y[2] == pytest.approx(31.4 - 2.5 * np.log10(30.0))
    assert shown.negative == 1
    assert "2 are upper limits" in summary(shown, ChartState(y="mag"))


def test_fluxes_show_everything_with_zero() -> None:
    shown = marks(chart_points(*CURVE), ChartState())
    assert len(shown) == 5
    assert shown.negative == 0
    assert shown.y_range[0] < -500 < 0 < 3630 < shown.y_range[1]
    assert shown.is_limit.tolist() == [False, False, False, False, True]


def test_a_hidden_band_takes_its_errors_and_limits_along() -> None:
    shown = marks(chart_points(*CURVE), ChartState(bands="r"))
    assert set(shown.points.band.tolist()) == {R}
    assert shown.counts["g"] == 3
    assert marks(chart_points(*CURVE), ChartState(kinds="d")).counts["g"] == 1
    assert marks(chart_points(*CURVE), ChartState(kinds="d")).kinds == {"d": 2, "f": 2, "l": 1}


def test_a_wild_limit_and_wild_errors_leave_the_range_alone() -> None:
    usual = marks(chart_points(*CURVE[:2]), ChartState(y="mag"))
    wild = marks(chart_points(*CURVE[:2], (60000.5, LIMIT, G, 1, 1e-300, np.nan)), ChartState(y="mag"))
    assert wild.y_range == usual.y_range
    assert wild.off_scale.tolist() == [0, 0, 1]
    fluxes = marks(chart_points(*CURVE[:2], (60000.5, DETECTED, G, 1, 1e9, 1e9)), ChartState())
    assert fluxes.off_scale.tolist() == [0, 0, 1]
    assert fluxes.y_range[1] < 1e5


def test_an_interval_chooses_what_sets_the_range() -> None:
    shown = marks(chart_points(*CURVE), ChartState(since=60000.5, until=60001.5))
    assert shown.x_range == (60000.5, 60001.5)
    assert shown.y_range[1] < 1100


def test_total_fluxes_that_are_unknown_are_counted() -> None:
    shown = marks(chart_points(*CURVE), ChartState(y="total"))
    assert (len(shown), shown.without_value) == (0, 5)
    assert "no points" in summary(shown, ChartState(y="total"))


def test_no_points() -> None:
    shown = marks(chart_points(), ChartState())
    assert (len(shown), shown.x_range, shown.y_range) == (0, (0.0, 1.0), (0.0, 1.0))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
@settings(max_examples=100)
def test_ticks_are_within_and_few(low: float, width: float) -> None:
    found = ticks(low, low + width, 6)
    assert len(found) <= 7
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)

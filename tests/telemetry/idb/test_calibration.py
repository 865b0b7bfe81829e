"""Curves, polynomials, texts and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.idb.calibration import CalibrationError, Calibrator, Curve, Polynomial, TextTable


@given(
    st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    st.lists(st.integers(0, 4095), min_size=5, max_size=9, unique=True),
)
def test_a_spline_through_points_of_a_cubic_is_that_cubic(coefficients: list[float], points: list[int]) -> None:
    """The not-a-knot spline reproduces cubics, within the points and beyond them."""
    cubic = np.polynomial.Polynomial(coefficients)
    scale = 1000.0
    curve = Curve("CIXP0001TM", tuple((float(x), float(cubic(x / scale))) for x in sorted(points)))
    raw = np.arange(0, 4096, 37)
    np.testing.assert_allclose(curve(raw), cubic(raw / scale), rtol=1e-3, atol=1e-2)


def test_a_curve_goes_through_its_points() -> None:
    points = ((13.0, 0.0), (68.0, 5.0), (1550.0, 130.0), (2649.0, 230.0), (3416.0, 296.0))
    np.testing.assert_allclose(
        Curve("CIXP0026TM", points)(np.array([x for x, _ in points])), [y for _, y in points], atol=1e-12
    )


def test_two_points_are_a_line_that_goes_on() -> None:
    line = Curve("CIXP0034TM", ((0.0, 0.0), (4095.0, 3.0)))
    assert line(np.array([-4095, 8190])).tolist() == [-3.0, 6.0]


@pytest.mark.parametrize("points", [(), ((0.0, 1.0),), ((0.0, 1.0), (1.0, 2.0), (2.0, 4.0)), ((0.0, 1.0), (0.0, 2.0))])
def test_curves_that_are_none_are_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(CalibrationError, match="CIXP0001TM"):
        Curve("CIXP0001TM", points)


def test_text_ranges_are_compared_as_numbers() -> None:
    """3 lies in 1..255, which a comparison of texts denies."""
    table = TextTable("CIXT0389TM", ((0, 0, "None"), (1, 255, "SelectedConfig")))
    assert table(np.array([0, 3, 255, 256])).tolist() == ["None", "SelectedConfig", "SelectedConfig", 256]
    assert table.unmatched(np.array([0, 3, 256])).tolist() == [False, False, True]


def test_the_first_text_range_wins() -> None:
    assert TextTable("CIXT0001TM", ((0, 5, "a"), (3, 9, "b")))(np.array([3, 6])).tolist() == ["a", "b"]


def test_celsius_becomes_kelvin() -> None:
    calibrator = Calibrator(Polynomial("CIX00001TM", (0.0, 1.0)), "degC", 12, False)
    assert calibrator.unit == "K"
    assert calibrator(np.array([0, 10])).tolist() == [273.15, 283.15]


@pytest.mark.parametrize(("width", "signed"), [(16, False), (32, False), (8, True)])
def test_tables_and_direct_calibration_agree(width: int, signed: bool) -> None:
    polynomial = Polynomial("CIX00001TM", (1.0, 2.0, 0.5))
    raw = np.array([-3, 5] if signed else [0, 77])
    assert Calibrator(polynomial, None, width, signed)(raw).tolist() == polynomial(raw).tolist()


def test_missing_calibrations_are_refused() -> None:
    with pytest.raises(CalibrationError, match="CIX00009TM"):
        Polynomial("CIX00009TM", ())
    with pytest.raises(CalibrationError, match="CIXT9999TM"):
        TextTable("CIXT9999TM", ())

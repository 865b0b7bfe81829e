"""Flat arrays of light curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.lightcurves.curves import LightCurves, Points

TIMES = st.one_of(st.integers(0, 5).map(float), st.just(float("nan")))


@given(st.lists(st.tuples(st.integers(0, 3), TIMES, st.sampled_from([1.0, 2.0, np.nan, np.inf]))))
def test_points_are_those_that_are_finite_by_object_and_time(rows: list[tuple[int, float, float]]) -> None:
    owner, mjd, flux = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    points = Points.of(4, owner, mjd, flux, np.arange(len(rows)) % 6)
    usable = [row for row in range(len(rows)) if np.isfinite(mjd[row]) and np.isfinite(flux[row])]
    order = sorted(usable, key=lambda row: (owner[row], mjd[row]))  # stable, as points of one time must stay
    assert points.mjd.tolist() == [mjd[row] for row in order]
    assert points.band.tolist() == [row % 6 for row in order]
    assert np.diff(points.offsets).tolist() == [sum(owner[row] == number for row in order) for number in range(4)]


def test_long_light_curves_in_any_order() -> None:
    mjd = np.random.default_rng(1).integers(0, 300, 1000).astype(float)
    for times in (mjd, np.sort(mjd), np.sort(mjd)[::-1], np.append(900.0, np.sort(mjd))):
        points = Points.of(1, np.zeros(len(times), int), times, np.arange(len(times)), np.zeros(len(times)))
        np.testing.assert_array_equal(points.flux, np.argsort(times, kind="stable"))


def test_points_of_no_object_and_columns_of_other_lengths_are_errors() -> None:
    with pytest.raises(ValueError, match="belongs to no object"):
        Points.of(1, [1], [0.0], [0.0], [0])
    with pytest.raises(ValueError, match="differ in length"):
        Points.of(1, [0], [0.0, 1.0], [0.0], [0])


def test_what_is_not_known_of_light_curves_is_unknown() -> None:
    curves = LightCurves.of(Points.none(2))
    assert len(curves) == 2
    assert not curves.explosive.any()
    assert np.isnan(curves.ebv).all()
    assert curves.with_(ebv=np.ones(2)).ebv.tolist() == [1.0, 1.0]

"""Counts and newest values against the formulas in plain Python."""

from __future__ import annotations

import numpy as np
from feature_formulas import Point, differences
from feature_formulas import counting as plain

from broker_assets.lightcurves.counting import counting
from broker_assets.lightcurves.curves import LightCurves, Points


def test_counts_equal_the_formulas(objects: list[list[Point]], curves: LightCurves) -> None:
    assert differences([plain(points) for points in objects], counting(curves)) == []


def test_the_survey_knows_the_first_source_best() -> None:
    points = Points.of(2, [0, 1], [61000.0, 61000.0], [1.0, 1.0], [0, 0])
    found = counting(LightCurves.of(points, first_mjd=np.array([60000.0, np.nan])))
    assert found["firstdiasourcemjdtai"].tolist() == [60000.0, 61000.0]


def test_an_object_without_sources_has_no_values() -> None:
    found = counting(LightCurves.of(Points.none(1)))
    assert np.isnan(found["latest_psfflux"]).all()
    assert found["ngsources"].tolist() == [0]

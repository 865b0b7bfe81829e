"""Absolute magnitudes against the contract's figures and the formulas in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from feature_formulas import Point, differences, modulus
from feature_formulas import luminosity as plain

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.luminosity import distance_moduli, luminosity


def _of(**known: float) -> float:
    points = Points.of(1, [0], [61000.0], [1e5], [1])
    curves = LightCurves.of(points).with_(explosive=np.array([True]))
    curves = curves.with_(**{name: np.array([value]) for name, value in known.items()})
    return float(luminosity(curves, distance_moduli(curves))["absmag"][0])


def test_figures_of_the_contract() -> None:
    assert _of(distance=100.0) == pytest.approx(-16.1)
    assert _of(redshift=0.1) == pytest.approx(-19.31171, abs=1e-5)
    assert _of(photometric_redshift=0.1) == pytest.approx(-19.31171, abs=1e-5)
    assert _of(photometric_redshift=0.1, redshift=0.2, distance=100.0) == pytest.approx(-16.1)
    assert np.isnan(_of())


def test_magnitudes_equal_the_formulas(objects: list[list[Point]], curves: LightCurves) -> None:
    expected = []
    for row, points in enumerate(objects):
        known = {
            name: None if np.isnan(values[row]) else float(values[row])
            for name, values in (
                ("distance", curves.distance), ("z", curves.redshift), ("photo_z", curves.photometric_redshift)
            )
        }  # fmt: skip
        expected.append(plain(points, float(curves.ebv[row]), modulus(**known) if curves.explosive[row] else None))
    assert differences(expected, luminosity(curves, distance_moduli(curves))) == []
    assert sum(row["absmag"] is not None for row in expected) > 50

"""Fits of the calibration lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry.products.builders.energy_fits import LINE_31, LINE_81, Line, fit_line

ENERGY = np.arange(0.05, 200.0, 0.1)


def spectrum(centre: float, width: float, amplitude: float, level: float = 1.0, slope: float = 0.0) -> np.ndarray:
    """A line over a straight background."""
    return amplitude * np.exp(-0.5 * ((ENERGY - centre) / width) ** 2) + level + slope * (ENERGY - centre)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([LINE_31, LINE_81]),
    st.floats(-0.6, 0.6),
    st.floats(0.35, 0.9),
    st.floats(1e-6, 1e6),
    st.floats(-0.002, 0.002),
)
def test_exact_lines_are_recovered(line: Line, shift: float, width: float, amplitude: float, slope: float) -> None:
    """Whatever the scale of the rates, centre and width come out of data without noise."""
    centre = line.energy + shift
    peaks = fit_line(ENERGY, spectrum(centre, width, amplitude, amplitude / 10, amplitude * slope)[None], line)
    assert peaks.found[0]
    assert peaks.centre[0] == pytest.approx(centre, abs=1e-6)


def test_errors_are_those_of_the_scatter() -> None:
    """Over many spectra with the same noise the deviations have the spread that the errors say."""
    source = np.random.default_rng(7)
    clean = spectrum(81.1, 0.6, 50.0, 5.0)
    peaks = fit_line(ENERGY, clean + source.normal(0, 1.0, (400, len(ENERGY))), LINE_81)
    assert peaks.found.all()
    pulls = (peaks.centre - 81.1) / peaks.centre_error
    assert abs(pulls.mean()) < 0.2
    assert 0.9 < pulls.std() < 1.15


def test_one_spectrum_does_not_change_another() -> None:
    """Fits of a batch are those of each spectrum alone, dead and broken ones among them."""
    batch = np.stack(
        [
            spectrum(80.7, 0.5, 10.0),
            np.zeros(len(ENERGY)),
            np.full(len(ENERGY), np.nan),
            spectrum(81.4, 0.8, 1e-3, 1e-4),
            spectrum(81.0, 0.6, -5.0, 20.0),
            spectrum(84.0, 0.6, 30.0),
        ]
    )
    together = fit_line(ENERGY, batch, LINE_81)
    alone = [fit_line(ENERGY, one[None], LINE_81) for one in batch]
    assert together.found.tolist() == [True, False, False, True, False, False]
    assert together.found.tolist() == [bool(one.found[0]) for one in alone]
    np.testing.assert_allclose(together.centre[[0, 3]], [80.7, 81.4], atol=1e-7)
    np.testing.assert_allclose(together.centre[[0, 3]], [alone[0].centre[0], alone[3].centre[0]], atol=1e-9)


def test_too_few_bins_for_a_fit() -> None:
    """A spectrum that ends below the line has no peak."""
    peaks = fit_line(ENERGY[:300], np.ones((2, 300)), LINE_81)
    assert not peaks.found.any()
    assert np.isnan(peaks.centre).all()

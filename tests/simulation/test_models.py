"""The true sky of a simulated survey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.simulation.cadence import RUBIN, ZTF, Instrument
from broker_assets.simulation.models import (
    AGN,
    DIPOLE,
    ECLIPSING,
    FLARE,
    KINDS,
    RR_LYRAE,
    SHARES,
    SN_IA,
    SN_IBC,
    burst,
    difference_flux,
    distance_modulus,
    draw_catalogue,
    flux_of,
)

ORIGIN = 61_000.0


@given(st.floats(1.0, 20.0), st.floats(1.5, 10.0), st.floats(-200.0, 200.0))
def test_a_burst_is_one_at_its_peak_and_less_elsewhere(rise: float, ratio: float, days: float) -> None:
    fall = rise * ratio
    at = burst(np.array([0.0, days]), np.full(2, rise), np.full(2, fall))
    assert at[0] == pytest.approx(1.0)
    assert 0.0 <= at[1] <= 1.0 + 1e-9


@given(st.lists(st.floats(10.0, 30.0), min_size=2, max_size=9, unique=True))
def test_brighter_is_more_flux(magnitudes: list[float]) -> None:
    ordered = flux_of(np.array(sorted(magnitudes)))
    assert (np.diff(ordered) <= 0).all()
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(ordered), sorted(magnitudes), atol=1e-9)


def test_distances_follow_hubble() -> None:
    near, far = distance_modulus(np.array([0.001, 0.5]))
    assert near == pytest.approx(5 * np.log10(299_792.458 / 70 * 0.001) + 25, abs=0.01)
    assert 42.0 < far < 42.5


@pytest.mark.parametrize("instrument", [RUBIN, ZTF])
def test_a_catalogue_is_within_the_footprint(instrument: Instrument) -> None:
    catalogue = draw_catalogue(instrument, 20_000, ORIGIN, np.random.default_rng(1))
    low, high = instrument.declinations
    assert len(catalogue) == 20_000
    assert ((catalogue.dec >= low) & (catalogue.dec <= high)).all()
    assert ((catalogue.ra >= 0) & (catalogue.ra < 360)).all()
    found = np.bincount(catalogue.kind, minlength=len(KINDS)) / len(catalogue)
    np.testing.assert_allclose(found, np.array(SHARES) / np.sum(SHARES), atol=0.02)
    supernova = catalogue.kind <= SN_IBC
    assert np.isfinite(catalogue.redshift[supernova]).all()
    assert np.isnan(catalogue.redshift[~supernova]).all()
    assert np.isfinite(catalogue.magnitude).all()
    truth = catalogue.truth(instrument)
    assert truth.num_rows == len(catalogue)
    assert truth["diaobjectid"].null_count == len(catalogue), "nothing has been detected yet"
    assert set(truth["class"].to_pylist()) == set(KINDS)


def flux(kind: int, times: np.ndarray) -> np.ndarray:
    """Difference fluxes of one object of a kind in its second band."""
    shares = tuple(1.0 if number == kind else 0.0 for number in range(len(KINDS)))
    generator = np.random.default_rng(5)
    catalogue = draw_catalogue(RUBIN, 1, ORIGIN, generator, shares)
    row, band, sigma = np.zeros(1, np.int64), np.ones(1, np.int64), np.full(1, 10.0)
    return np.array(
        [difference_flux(catalogue, row, band, np.array([mjd]), sigma, generator)[0] for mjd in times.tolist()]
    )


def test_light_curves_of_the_kinds() -> None:
    times = ORIGIN + np.arange(-60.0, 500.0, 0.31)
    supernova = flux(SN_IA, times)
    assert supernova.min() >= 0.0, "there was nothing before"
    assert supernova.max() > 20 * np.median(supernova)
    assert flux(RR_LYRAE, times).min() < 0 < flux(RR_LYRAE, times).max()
    assert flux(ECLIPSING, times).max() <= 1e-9 + abs(flux(ECLIPSING, times).min()), "it is fainter in eclipse"
    assert flux(FLARE, times).min() >= -1e-9
    assert np.count_nonzero(flux(FLARE, times)) < len(times) / 2
    assert np.std(flux(DIPOLE, times)) > 30.0
    walk = flux(AGN, times)
    assert np.std(np.diff(walk)) < np.std(walk), "neighbours are alike"

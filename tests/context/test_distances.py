"""Distances are those of the cosmology, at every redshift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.context.distances import cosmology, kiloparsecs_per_arcsecond, luminosity_distance


@given(st.floats(1e-6, 12.0))
def test_the_table_is_accurate(redshift: float) -> None:
    found = luminosity_distance(np.array([redshift]))[0]
    assert found == pytest.approx(cosmology().luminosity_distance(redshift).to_value("Mpc"), rel=1e-6)


def test_there_is_no_distance_without_a_redshift() -> None:
    assert np.isnan(luminosity_distance(np.array([np.nan, -0.001, 0.0, 13.0]))).all()


def test_a_direct_distance_comes_before_the_redshift() -> None:
    found = kiloparsecs_per_arcsecond(np.array([10.0, np.nan, np.nan]), np.array([0.5, 0.1, np.nan]))
    assert found[0] == pytest.approx(10_000 / 206264.806)
    # Wright's cosmology calculator (2006, PASP 118, 1711) gives 1.844 kpc per arcsecond.
    assert found[1] == pytest.approx(1.844, abs=1e-3)
    assert np.isnan(found[2])

"""Constants and formulas that features share."""

from __future__ import annotations

import numpy as np
import pytest
from feature_formulas import BANDS, WAVELENGTH, black_body
from feature_formulas import modulus as plain_modulus

from broker_assets.lightcurves import photometry


def test_distances_are_those_of_the_contract() -> None:
    found = np.array([photometry.modulus(z) for z in (0.05, 0.1, 1.0)])
    luminosity = 10 ** ((found + 5) / 5) / 1e6
    np.testing.assert_allclose(luminosity, [222.28855, 460.29773, 6607.16734], atol=1e-5)
    assert all(np.isnan(photometry.modulus(z)) for z in (0.0, -0.1, np.nan))
    for z in (0.001, 0.3, 5.0):
        plain = plain_modulus(z=z)
        assert plain is not None
        assert photometry.modulus(z) == pytest.approx(plain + 2.5 * np.log10(1 + z), abs=1e-10)


def test_black_bodies_and_bands() -> None:
    for code, band in enumerate(BANDS):
        assert photometry.black_body(code, 7.5) == pytest.approx(black_body(WAVELENGTH[band], 7.5), rel=1e-14)
    assert photometry.band_codes(list("ugrizyY")).tolist() == [0, 1, 2, 3, 4, 5, photometry.NO_BAND]
    assert photometry.band_codes([]).shape == (0,)


def test_extinction_brightens_and_nothing_known_changes_nothing() -> None:
    np.testing.assert_allclose(photometry.dereddening(0.1), 10 ** (0.04 * photometry.EXTINCTION), rtol=1e-14)
    assert photometry.dereddening(np.nan).tolist() == [1.0] * 6


def test_magnitudes_of_what_is_not_positive_are_unknown() -> None:
    np.testing.assert_array_equal(photometry.magnitude([0.0, -1.0, 10.0]), [np.nan, np.nan, 28.9])

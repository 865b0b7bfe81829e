"""Features are those of the reference, over all kinds of light curves."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.tom.features import TooFewPoints, features


@pytest.mark.parametrize("count", [4, 5, 20, 133])
def test_they_are_those_of_the_reference(count: int) -> None:
    reference = pytest.importorskip("light_curve")
    random = np.random.default_rng(count)
    mjd = np.sort(random.uniform(60000, 60400, count))
    flux, fluxerr = random.normal(0, 1000, count), random.uniform(1, 500, count)
    extractor = reference.Extractor(
        reference.AndersonDarlingNormal(), reference.InterPercentileRange(0.05), reference.ReducedChi2(),
        reference.StetsonK(), reference.WeightedMean(), reference.Duration(), reference.OtsuSplit(),
        reference.LinearFit(),
    )  # fmt: skip
    expected = extractor(mjd, flux, fluxerr, sorted=True)
    found = features(mjd, flux, fluxerr)
    assert list(found) == extractor.names
    # The reference has its quantiles in single precision.
    assert list(found.values()) == pytest.approx(expected.tolist(), rel=1e-7)


def test_few_points_are_refused() -> None:
    three = np.arange(3.0)
    with pytest.raises(TooFewPoints, match="length 3 is smaller than the minimum required length 4"):
        features(three, three, three + 1)


def test_equal_fluxes_have_no_scatter() -> None:
    found = features(np.arange(5.0), np.full(5, 2.0), np.ones(5))
    assert (found["chi2"], found["linear_fit_slope"], found["weighted_mean"]) == (0.0, 0.0, 2.0)
    assert np.isnan(found["stetson_K"])

"""Features of a light curve in all bands together, as computed by DESC's TOM.

N points at times t with fluxes m and uncertainties δ, in chronological order; w = 1/δ²; the weighted mean is
m̄ = Σwm / Σw. Formulas: the contract of the TOM; D'Isanto et al. 2016, MNRAS 457, 3119 (quantiles, linear fit); Stetson
1996, PASP 108, 851 (K); Stephens 1974, JASA 69, 730 (Anderson-Darling); Otsu 1979, IEEE SMC 9, 62.
"""

from __future__ import annotations

from math import erfc
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 4
"""Smallest number of points of a light curve."""

Vector = NDArray[np.float64]


class TooFewPoints(ValueError):
    """A light curve has too few points for its features."""


def features(mjd: Vector, flux: Vector, fluxerr: Vector) -> dict[str, float]:
    """Compute the features.

    Parameters
    ----------
    mjd, flux, fluxerr : (n,) float64 array
        Points in chronological order: days, nJy, nJy.

    Returns
    -------
    dict of str to float
        13 features by name, in the order of the original.

    Raises
    ------
    TooFewPoints
        If there are fewer than `FEWEST`.

    Examples
    --------
    >>> found = features(np.arange(6.0), np.array([1.0, 2.0, 1.0, 9.0, 8.0, 9.0]), np.ones(6))
    >>> found["weighted_mean"], found["duration"], round(found["otsu_mean_diff"], 3)
    (5.0, 5.0, 7.333)
    """
    count = len(mjd)
    if count < FEWEST:
        raise TooFewPoints(f"time-series' length {count} is smaller than the minimum required length {FEWEST}")
    weight = 1.0 / fluxerr**2
    mean = float(np.sum(weight * flux) / np.sum(weight))
    residual = (flux - mean) / fluxerr
    squares = float(np.sum(residual**2))
    low, high = np.quantile(flux, [0.05, 0.95], method="hazen")
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "anderson_darling_normal": _anderson_darling(flux),
            "inter_percentile_range_5": float(high - low),
            "chi2": squares / (count - 1),
            "stetson_K": float(np.sum(np.abs(residual)) / np.sqrt(np.float64(count * squares))),
            "weighted_mean": mean,
            "duration": float(mjd[-1] - mjd[0]),
            **_otsu(flux),
            **_linear_fit(mjd, flux, weight),
        }


def _anderson_darling(flux: Vector) -> float:
    """Anderson-Darling statistic of a normal distribution, corrected for N (Stephens 1974)."""
    count = len(flux)
    z = np.sort((flux - np.mean(flux)) / np.std(flux, ddof=1))
    # The logarithms of Φ(z) and 1 − Φ(z), each computed directly, so that both tails are accurate.
    below = np.array([0.5 * erfc(-value / np.sqrt(2.0)) for value in z])
    above = np.array([0.5 * erfc(value / np.sqrt(2.0)) for value in z])
    rank = np.arange(1, count + 1)
    terms = (2 * rank - 1) * np.log(below) + (2 * (count - rank) + 1) * np.log(above)
    squared = -count - float(np.sum(terms)) / count
    return float(squared * (1.0 + 4.0 / count - 25.0 / count**2))


def _otsu(flux: Vector) -> dict[str, float]:
    """Split the fluxes into a lower and an upper part so that the variance between them is largest (Otsu 1979)."""
    ordered = np.sort(flux)
    count = len(ordered)
    lower_count = np.arange(1, count)
    sums = np.cumsum(ordered)
    lower = sums[:-1] / lower_count
    upper = (sums[-1] - sums[:-1]) / (count - lower_count)
    between = lower_count * (count - lower_count) / count**2 * (upper - lower) ** 2
    split = int(np.argmax(between)) + 1
    parts = ordered[:split], ordered[split:]
    lower_std, upper_std = (float(np.std(part, ddof=1)) if len(part) > 1 else 0.0 for part in parts)
    return {
        "otsu_mean_diff": float(np.mean(parts[1]) - np.mean(parts[0])),
        "otsu_std_lower": lower_std,
        "otsu_std_upper": upper_std,
        "otsu_lower_to_all_ratio": split / count,
    }


def _linear_fit(mjd: Vector, flux: Vector, weight: Vector) -> dict[str, float]:
    """Weighted least squares of a straight line."""
    total = np.sum(weight)
    time = mjd - np.sum(weight * mjd) / total
    spread = np.sum(weight * time**2)
    mean = np.sum(weight * flux) / total
    slope = np.sum(weight * time * flux) / spread
    squares = np.sum(weight * (flux - mean - slope * time) ** 2)
    return {
        "linear_fit_slope": float(slope),
        "linear_fit_slope_sigma": float(1.0 / np.sqrt(spread)),
        "linear_fit_reduced_chi2": float(squares / (len(mjd) - 2)),
    }

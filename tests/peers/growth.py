"""Whether a measured series grows: a slope that is robust against outliers, its uncertainty, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import theilslopes

CONFIDENCE = 0.95
WARM_UP = 1 / 3
"""Fraction of a series that is left out at its beginning, while caches fill, pools open and code loads."""
FEWEST = 8
"""Minimum number of samples for a verdict."""


@dataclass(frozen=True)
class Growth:
    """A series and its trend."""

    samples: int
    first: float
    """Median of the first quarter that counts."""
    last: float
    """Median of the last quarter."""
    largest: float
    per_hour: float
    """Theil and Sen's slope."""
    low: float
    """Lower end of its confidence interval."""
    verdict: str
    """`flat`, `grows`, `falls` or `too short`."""


def growth(hours: ArrayLike, values: ArrayLike, *, relative: float = 0.10, absolute: float = 0.0) -> Growth:
    """The trend of a series.

    It grows if the lower end of the slope's confidence interval is above 0, and the increase over the measured time
    exceeds a tolerance: a fraction of the median or a fixed amount, whichever is larger.

    Parameters
    ----------
    hours : array_like of float
        Times, hours; rising.
    values : array_like of float
        What was measured then.
    relative : float
        Fraction of the median by which a flat series may change over the measured time.
    absolute : float
        Amount, in the unit of the values, by which it may change however small it is.

    Notes
    -----
    Sen, P. K. (1968), J. Am. Stat. Assoc. 63, 1379: the median of the slopes between all pairs.

    Examples
    --------
    >>> hours = [number / 10 for number in range(30)]
    >>> growth(hours, [100.0 + number % 2 for number in range(30)]).verdict
    'flat'
    >>> growth(hours, [100.0 + 5 * number for number in range(30)]).verdict
    'grows'
    """
    at, measured = np.asarray(hours, float), np.asarray(values, float)
    counted = at >= at[0] + WARM_UP * (at[-1] - at[0]) if len(at) else np.zeros(0, bool)
    at, measured = at[counted], measured[counted]
    if len(at) < FEWEST:
        return Growth(len(at), *(float("nan"),) * 5, verdict="too short")
    slope, _, low, high = theilslopes(measured, at, alpha=CONFIDENCE)
    quarter = max(1, len(at) // 4)
    tolerance = max(relative * abs(float(np.median(measured))), absolute)
    change = slope * (at[-1] - at[0])
    verdict = "flat"
    if change > tolerance and low > 0:
        verdict = "grows"
    elif change < -tolerance and high < 0:
        verdict = "falls"
    return Growth(
        len(at),
        float(np.median(measured[:quarter])),
        float(np.median(measured[-quarter:])),
        float(measured.max()),
        float(slope),
        float(low),
        verdict,
    )

"""Quantiles of durations in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS_PER_DECADE = 100
"""Adjacent bins differ by 2.3 per cent, which is the error of a quantile."""
SHORTEST_SECONDS = 1e-4
LONGEST_SECONDS = 1e10

_DECADES = int(np.log10(LONGEST_SECONDS / SHORTEST_SECONDS))


@dataclass
class LatencyHistogram:
    """Counts of durations in logarithmic bins.

    Shorter and negative durations (clocks differ) count in the first bin, longer ones in the last; values that are not
    finite (no timestamp) are ignored.

    Examples
    --------
    >>> histogram = LatencyHistogram()
    >>> histogram.add(np.array([0.5, 1.0, 2.0, np.nan]))
    >>> histogram.count
    3
    >>> round(histogram.quantile(0.5), 1)
    1.0
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS_PER_DECADE * _DECADES, np.int64))

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Count durations, seconds."""
        finite = seconds[np.isfinite(seconds)]
        clipped = np.clip(finite, SHORTEST_SECONDS, LONGEST_SECONDS)
        bins = (np.log10(clipped / SHORTEST_SECONDS) * BINS_PER_DECADE).astype(np.int64)
        self.counts += np.bincount(np.minimum(bins, self.counts.size - 1), minlength=self.counts.size)

    @property
    def count(self) -> int:
        """Number of durations counted."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """The duration, seconds, that the fraction `q` of all does not exceed; NaN if none was counted."""
        total = self.count
        if total == 0:
            return float("nan")
        rank = max(1, int(np.ceil(q * total)))
        bin_ = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(SHORTEST_SECONDS * 10 ** ((bin_ + 0.5) / BINS_PER_DECADE))

    def quantiles(self) -> dict[str, float]:
        """`p50`, `p90` and `p99`, seconds; empty if none was counted."""
        if self.count == 0:
            return {}
        return {"p50": self.quantile(0.5), "p90": self.quantile(0.9), "p99": self.quantile(0.99)}

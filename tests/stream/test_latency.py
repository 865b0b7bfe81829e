"""Quantiles of latencies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from broker_assets.stream.latency import LatencyHistogram


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(1e-3, 1e9)), st.sampled_from([0.5, 0.9, 0.99, 1.0])
)
def test_quantiles_within_the_width_of_a_bin(seconds: np.ndarray, q: float) -> None:
    """Of the value with that rank."""
    histogram = LatencyHistogram()
    histogram.add(seconds)
    exact = np.sort(seconds)[max(1, int(np.ceil(q * seconds.size))) - 1]
    assert abs(histogram.quantile(q) / exact - 1) < 0.024


def test_latency_of_nothing() -> None:
    """No message, no quantile; no time stamp, no count."""
    histogram = LatencyHistogram()
    histogram.add(np.array([np.nan, np.inf]))
    assert histogram.quantiles() == {}
    histogram.add(np.array([-5.0]))
    assert histogram.count == 1

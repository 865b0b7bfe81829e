"""Un-scaling of trigger counters."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.decoding.triggers import GROUP_DETECTORS, active_groups, unscale


def test_every_detector_is_in_one_group() -> None:
    assert sorted(GROUP_DETECTORS[0] + GROUP_DETECTORS[1]) == list(range(1, 33))


def test_the_example_of_the_contract() -> None:
    triggers, variance = unscale(np.array([0, 3, 6, 9, 12]), 40, 16, 30)
    assert triggers.tolist() == [9600, 67200, 124800, 182400, 240000]
    assert np.sqrt(variance).tolist() == [9600] * 5


@given(st.integers(0, 10**7), st.integers(1, 100), st.integers(1, 16), st.integers(1, 40))
def test_the_true_number_lies_within_the_interval(true: int, integrations: int, groups: int, factor: int) -> None:
    stored = true // (factor * integrations * groups)
    triggers, variance = unscale(np.array([stored]), integrations, groups, factor)
    assert abs(true - triggers[0]) <= variance[0] ** 0.5 * (1 + 1e-12)


def test_inactive_groups_give_zero() -> None:
    groups = active_groups(np.array([1 << 9, 0]))
    triggers, variance = unscale(np.ones((2, 16)), 10, groups)
    assert triggers.sum(axis=1).tolist() == [450, 0]
    assert variance[1].tolist() == [0] * 16

"""Pauses between attempts."""

from __future__ import annotations

import pytest
from tenacity.wait import wait_base

from broker_assets import backoff
from broker_assets.backoff import pause_after


@pytest.mark.parametrize(
    ("wait", "first", "longest"),
    [
        (backoff.DRAIN, 0.5, 15.0),
        (backoff.RUNS, 5.0, 600.0),
        (backoff.TELEMETRY_FILE, 60.0, 6 * 3600.0),
        (backoff.TNS, 2.0, 60.0),
        (backoff.LOCK, 0.1, 10.0),
        (backoff.SERVICE, 1.0, 30.0),
        (backoff.PROGRAM, 0.001, 0.1),
    ],
)
def test_pauses_grow_up_to_a_bound(wait: wait_base, first: float, longest: float) -> None:
    pauses = [pause_after(failures, wait) for failures in range(1, 40)]
    assert pauses[0] == first
    assert pauses == sorted(pauses)
    assert pauses[1] > pauses[0]
    assert pauses[-1] == pause_after(10**6, wait) == longest


@pytest.mark.parametrize(
    ("wait", "longest"),
    [
        (backoff.DELIVERY, 30.0),
        (backoff.SINK, 600.0),
        (backoff.HTTP, 3.0),
        (backoff.CONFLICT, 0.1),
        (backoff.LEADER, 0.1),
    ],
)
def test_pauses_left_to_chance_are_bounded(wait: wait_base, longest: float) -> None:
    for failures in (1, 2, 10, 10**6):
        assert all(0.0 <= pause_after(failures, wait) <= longest for _ in range(20))


def test_nothing_has_failed() -> None:
    assert pause_after(0, backoff.RUNS) == 0.0

"""Verdicts about series that are measured in a soak."""

from __future__ import annotations

import numpy as np
from growth import growth
from soak_report import class_of, trends

HOURS = np.arange(0.0, 2.0, 0.01)


def test_noise_outliers_and_warm_up_are_flat() -> None:
    noise = np.random.default_rng(1).normal(0.0, 5.0, len(HOURS))
    values = 400.0 + noise
    values[::17] += 300.0  # a run of the garbage collector was late
    values[: len(values) // 4] -= np.linspace(300.0, 0.0, len(values) // 4)
    assert growth(HOURS, values).verdict == "flat"


def test_a_leak_of_a_tenth_an_hour_is_seen_in_noise() -> None:
    noise = np.random.default_rng(2).normal(0.0, 5.0, len(HOURS))
    found = growth(HOURS, 400.0 + 40.0 * HOURS + noise)
    assert found.verdict == "grows"
    assert abs(found.per_hour - 40.0) < 5.0
    assert growth(HOURS, 400.0 + 40.0 * HOURS + noise, absolute=100.0).verdict == "flat"
    assert growth(HOURS, 500.0 - 60.0 * HOURS + noise).verdict == "falls"


def test_few_samples_say_nothing() -> None:
    assert growth([], []).verdict == "too short"
    assert growth(HOURS[:5], HOURS[:5]).verdict == "too short"


def test_series_are_judged_by_what_they_are() -> None:
    assert class_of("memory of daemon, MB") == "flat"
    assert class_of("broker table diasources, MB") == "load"
    assert class_of("Dagster rows of event_logs") == "time"
    samples = [(3600.0 * hour, {"lag, messages": 5000.0 * hour, "runs active": 2.0}) for hour in HOURS]
    found = trends(samples)
    assert (found["lag, messages"].verdict, found["runs active"].verdict) == ("grows", "flat")

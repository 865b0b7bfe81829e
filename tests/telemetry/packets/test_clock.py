"""On-board time in ticks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.packets import clock

TIMES = st.integers(0, (1 << 48) - 1)


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 65535))
def test_ticks_keep_seconds_and_fraction(coarse: int, fine: int) -> None:
    time = int(clock.ticks(coarse, fine))
    assert (time >> 16, time & 0xFFFF) == (coarse, fine)
    assert clock.text(time) == f"{coarse:010d}:{fine:05d}"
    assert clock.seconds(time) == coarse + fine / 65536
    assert int(clock.from_seconds(clock.seconds(time))) == time


@given(st.lists(TIMES, min_size=1, max_size=20))
def test_days_begin_at_or_before_their_times(times: list[int]) -> None:
    starts = clock.day_start(np.array(times))
    assert (starts % clock.SECONDS_PER_DAY == 0).all()
    inside = np.array(times) - (starts << 16)
    assert ((inside >= 0) & (inside < clock.TICKS_PER_DAY)).all()


@given(st.integers(0, 10**7))
def test_centiseconds_come_back(duration: int) -> None:
    assert int(clock.centiseconds(clock.from_centiseconds(duration))) == duration


def test_halves_are_rounded_to_even() -> None:
    """0.125 s and 0.375 s lie between two hundredths."""
    assert clock.centiseconds(clock.from_seconds([0.125, 0.375])).tolist() == [12, 38]

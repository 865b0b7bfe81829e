"""Time by the clock and of the processor."""

from __future__ import annotations

import threading

from broker_assets.stream.spent import Spent, Stopwatch


def test_waiting_takes_no_processor_and_work_does() -> None:
    watch = Stopwatch()
    threading.Event().wait(0.1)
    waited = watch.lap()
    total = sum(number * number for number in range(500_000))
    worked = watch.lap()
    assert total
    assert waited.seconds >= 0.1
    assert waited.processor_seconds < 0.05
    assert 0.0 < worked.processor_seconds <= worked.seconds + 0.01
    assert worked.processor_seconds > waited.processor_seconds


def test_times_are_added() -> None:
    assert sum([Spent(1.0, 0.5), Spent(2.0, 0.25)], Spent()) == Spent(3.0, 0.75)

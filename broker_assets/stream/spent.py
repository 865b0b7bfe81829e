"""Time that a stage of a batch takes: wall-clock time and CPU time."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that was spent.

    Examples
    --------
    >>> Spent(1.0, 0.5) + Spent(2.0, 0.25)
    Spent(seconds=3.0, processor_seconds=0.75)
    """

    seconds: float = 0.0
    """Wall-clock time; stages overlap, and wait for one another."""
    processor_seconds: float = 0.0
    """CPU time of the thread of the stage, without PostgreSQL, Kafka and other processes."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)


class Stopwatch:
    """Measures time in one thread: each `lap` returns the time since the previous one, or since the start."""

    def __init__(self) -> None:
        self._clock = time.perf_counter()
        self._processor = time.thread_time()

    def lap(self) -> Spent:
        """Time since the last call."""
        clock, processor = time.perf_counter(), time.thread_time()
        found = Spent(clock - self._clock, processor - self._processor)
        self._clock, self._processor = clock, processor
        return found

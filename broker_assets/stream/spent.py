"""Time that a stage of a batch takes: by the clock, and of the processor."""

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
    """By the clock; stages overlap, and wait for one another."""
    processor_seconds: float = 0.0
    """Of the processor, in the thread of the stage: without PostgreSQL, Kafka and other processes."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)


class Stopwatch:
    """Measures in one thread: each `lap` gives the time since the one before, or since the beginning."""

    def __init__(self) -> None:
        self._clock = time.perf_counter()
        self._processor = time.thread_time()

    def lap(self) -> Spent:
        """Time since the last call."""
        clock, processor = time.perf_counter(), time.thread_time()
        found = Spent(clock - self._clock, processor - self._processor)
        self._clock, self._processor = clock, processor
        return found

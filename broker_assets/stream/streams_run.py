"""A run that reads many streams at once, each in a thread of its own, while anything waits on any of them.

Which streams there are, and what a message does, belongs to the caller.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from broker_assets.accounting.ledger import StreamBusy
from broker_assets.stream.messages import SourceError

logger = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Streams that are read at the same time."""
LOOK_SECONDS: Final = 2.0
"""Time between two looks at the streams that are not being read."""
_PAUSE_SECONDS: Final = 0.05

UNREADABLE: Final[tuple[type[Exception], ...]] = (SourceError, StreamBusy, LookupError, OSError)
"""What keeps one stream from being read, and the others not."""


class Counts(Protocol):
    """What reading a stream gave: a dataclass whose fields can be added, as numbers, counters and lists can."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    received: int
    """Messages."""
    reasons: Counter[str]
    """Of those that could not be used."""


_Counts = TypeVar("_Counts", bound=Counts)


@dataclass
class StreamsRun(Generic[_Counts]):
    """Result of a run."""

    read: dict[str, _Counts] = field(default_factory=dict)
    """By name of the stream."""
    problems: dict[str, str] = field(default_factory=dict)
    """Streams that could not be read, or not to the end, and others that cannot be used."""

    def count(self, name: str) -> int:
        """Sum of a number over the streams."""
        return sum(int(getattr(one, name)) for one in self.read.values())

    def add(self, name: str, found: _Counts) -> None:
        """Add what a stream gave to what it gave before."""
        total = self.read.setdefault(name, found)
        if total is not found:
            for item in fields(found):
                setattr(total, item.name, getattr(total, item.name) + getattr(found, item.name))
        self.problems.pop(name, None)


def read_streams(
    run: StreamsRun[_Counts],
    look: Callable[[Collection[str]], tuple[Collection[str], bool]],
    read: Callable[[str], _Counts],
    *,
    goes_on: Callable[[], bool],
    idle_seconds: float | None,
    refused: tuple[type[Exception], ...] = (),
) -> None:
    """Read streams until the run is to end, or nothing has arrived for a while.

    Parameters
    ----------
    run : StreamsRun
        Gets what was read.
    look : callable
        Gives the streams on which something waits, and whether anything is left to do that keeps the run going; it
        gets the names of those that are being read.
    read : callable
        Reads a stream, in a thread of its own.
    goes_on : callable
        Whether the run goes on; what is being read is finished.
    idle_seconds : float, optional
        The run ends when nothing has arrived for this long; None: only `goes_on` ends it.
    refused : tuple of exception types
        What else, besides `UNREADABLE`, is a problem of one stream.
    """
    reading: dict[str, Future[_Counts]] = {}

    def collect(name: str) -> bool:
        """Note what a stream gave; whether that was anything."""
        try:
            found = reading.pop(name).result()
        except UNREADABLE + refused as error:
            run.problems[name] = str(error)
            logger.warning("%s: %s", name, error)
            return False
        run.add(name, found)
        return found.received > 0

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        last = time.monotonic()
        looked = last - LOOK_SECONDS
        while goes_on():
            for name in [name for name, future in reading.items() if future.done()]:
                if collect(name):
                    last = time.monotonic()
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                waiting, work = look(reading)
                for name in waiting:
                    if name not in reading:
                        reading[name] = pool.submit(read, name)
                if work:
                    last = time.monotonic()
            if idle_seconds is not None and not reading and time.monotonic() - last >= idle_seconds:
                break
            time.sleep(_PAUSE_SECONDS)
        for name in list(reading):
            collect(name)

"""A run that reads many streams at once, each in a thread of its own, while messages wait on any of them.

The caller determines the streams and the effect of a message.
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
"""Seconds between two checks of the streams that are not being read."""
_PAUSE_SECONDS: Final = 0.05

UNREADABLE: Final[tuple[type[Exception], ...]] = (SourceError, StreamBusy, LookupError, OSError)
"""Errors that prevent one stream from being read, but not the others."""


class Counts(Protocol):
    """Result of reading a stream: a dataclass whose fields can be added, such as numbers, counters and lists."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    received: int
    """Messages."""
    reasons: Counter[str]
    """Messages that could not be used, by reason."""


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
        """Add to the result of a stream."""
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
    """Read streams until the run must end, or nothing has arrived for a while.

    Parameters
    ----------
    run : StreamsRun
        Result, to which what is read is added.
    look : callable
        Gets the names of the streams that are being read; returns those on which messages wait, and whether other work
        keeps the run going.
    read : callable
        Reads a stream, in a thread of its own.
    goes_on : callable
        Whether the run should continue; if not, it finishes what it is reading.
    idle_seconds : float, optional
        The run ends when nothing has arrived for this long; None: only `goes_on` ends it.
    refused : tuple of exception types
        Further errors, besides `UNREADABLE`, that concern one stream only.
    """
    reading: dict[str, Future[_Counts]] = {}

    def collect(name: str) -> bool:
        """Record the result of a stream; return whether it received anything."""
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

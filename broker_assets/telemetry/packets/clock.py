"""On-board time: seconds and 1/65536 seconds as one integer.

A time is a 48-bit number of ticks; sums, differences and comparisons are exact. Floating seconds are for headers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TICKS_PER_SECOND: Final = 65536
SECONDS_PER_DAY: Final = 86400
TICKS_PER_DAY: Final = TICKS_PER_SECOND * SECONDS_PER_DAY
CENTISECONDS: Final = 100


def ticks(coarse: Any, fine: Any = 0) -> NDArray[np.int64]:
    """Ticks of seconds and 1/65536 seconds.

    Examples
    --------
    >>> int(ticks(2, 1))
    131073
    """
    return np.asarray(np.asarray(coarse, dtype=np.int64) << 16 | np.asarray(fine, dtype=np.int64))


def from_seconds(seconds: Any) -> NDArray[np.int64]:
    """Nearest number of ticks of a duration in seconds.

    Examples
    --------
    >>> from_seconds([0.5, -1.0]).tolist()
    [32768, -65536]
    """
    return np.asarray(np.rint(np.asarray(seconds, dtype=np.float64) * TICKS_PER_SECOND), dtype=np.int64)


def seconds(time: Any) -> NDArray[np.float64]:
    """Seconds, double precision (exact below 2**37 seconds)."""
    return np.asarray(np.asarray(time, dtype=np.int64) / TICKS_PER_SECOND)


def from_centiseconds(centiseconds: Any) -> NDArray[np.int64]:
    """Nearest number of ticks of a duration in units of 0.01 s."""
    return np.asarray(np.rint(np.asarray(centiseconds, dtype=np.int64) * (TICKS_PER_SECOND / CENTISECONDS))).astype(
        np.int64
    )


def centiseconds(duration: Any) -> NDArray[np.int64]:
    """A duration in units of 0.01 s, rounded half to even.

    Examples
    --------
    >>> centiseconds(from_seconds([4.0, 0.25, 0.124])).tolist()
    [400, 25, 12]
    """
    return np.asarray(np.rint(np.asarray(duration, dtype=np.int64) * (CENTISECONDS / TICKS_PER_SECOND)), dtype=np.int64)


def day_start(time: Any) -> NDArray[np.int64]:
    """First second of the on-board day.

    Examples
    --------
    >>> int(day_start(ticks(664148503)))
    664070400
    """
    coarse = np.asarray(time, dtype=np.int64) >> 16
    return np.asarray(coarse // SECONDS_PER_DAY * SECONDS_PER_DAY)


def text(time: int) -> str:
    """Time as written in headers.

    Examples
    --------
    >>> text(int(ticks(664148503, 10710)))
    '0664148503:10710'
    """
    return f"{int(time) >> 16:010d}:{int(time) & 0xFFFF:05d}"

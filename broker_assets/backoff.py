"""How long to wait before something that failed is tried again: every pause between attempts of the package.

Each is a wait strategy of tenacity, named by what is tried again, so that one page shows them all. Code that waits
itself passes it to `tenacity.Retrying`; code that computes the time of the next attempt from a stored number of
failures (sensors, registers, the supervisor) asks `pause_after`. What is worth another attempt, and how many, is for
the callers to decide; polls at a fixed interval do not belong here.
"""

from __future__ import annotations

from typing import Final

from tenacity import RetryCallState, Retrying
from tenacity.wait import (
    wait_base,
    wait_exponential,
    wait_exponential_jitter,
    wait_fixed,
    wait_random,
    wait_random_exponential,
)

DRAIN: Final = wait_exponential(multiplier=0.5, max=15.0)
"""A drain run whose database, broker, registry or store is unavailable; other runs wait for it, so the pauses stay
short."""

RUNS: Final = wait_exponential(multiplier=5.0, max=600.0)
"""A Dagster run of a job whose last runs failed: starting a process costs seconds. Short at first, so that a stream
continues within 30 s of a kill."""

TELEMETRY_FILE: Final = wait_exponential(multiplier=60.0, exp_base=4.0, max=6 * 3600.0)
"""A telemetry file that could not be copied or processed: minutes while a server restarts, hours once it is damaged."""

DELIVERY: Final = wait_exponential_jitter(multiplier=1.0, max=30.0, jitter=1.0)
"""A file on its way to an archive. The jitter keeps the files of a run from coming back all at once."""

SINK: Final = wait_exponential_jitter(multiplier=2.0, max=600.0, jitter=2.0)
"""A sink of a filter that is out of reach or does not take a message: soon at first, since most outages are short."""

HTTP: Final = wait_random_exponential(multiplier=0.2, max=3.0)
"""A request to a server of the platform or stream, such as a schema registry, while a batch waits for the answer."""

CLIENT: Final = wait_random_exponential(multiplier=0.5, max=10.0)
"""A request of a user's program to a broker that is busy, restarting, or behind a broken connection."""

TNS: Final = wait_exponential(multiplier=2.0, max=60.0)
"""A request to TNS, which limits the rate of requests, when it does not say how long to wait."""

LOCK: Final = wait_exponential(multiplier=0.1, max=10.0)
"""A table lock that a long query holds."""

CONFLICT: Final = wait_random(0.0, 0.1)
"""A transaction that PostgreSQL rolled back for a deadlock; chance keeps the two from meeting again."""

LEADER: Final = wait_fixed(0.1)
"""A Kafka partition that has no leader for the moment."""

SERVICE: Final = wait_exponential(multiplier=1.0, max=30.0)
"""A service of the one-machine platform that ended."""

PROGRAM: Final = wait_exponential(multiplier=0.001, max=0.1)
"""A check whether a child process has ended: the end of a short one is noticed at once, and a long one costs
nothing."""


def pause_after(failures: int, wait: wait_base) -> float:
    """Seconds to wait after some failures in a row, for code that keeps their number and does not wait itself.

    Parameters
    ----------
    failures : int
        Failures in a row; none means no pause.
    wait : wait_base
        One of the strategies of this module.

    Examples
    --------
    >>> [pause_after(failures, RUNS) for failures in (0, 1, 2, 9)]
    [0.0, 5.0, 10.0, 600.0]
    """
    if failures < 1:
        return 0.0
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    return float(wait(state))

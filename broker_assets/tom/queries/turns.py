"""Limits the statements that run at once, so that one user cannot take all places."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurnError(RuntimeError):
    """All places are taken; the message says what to do."""


class Turns:
    """Places for statements that run in this process.

    Parameters
    ----------
    most : int
        Number of places; an account gets at most a quarter of them, but at least one.
    patience : float
        Seconds that a statement waits for a place.
    """

    def __init__(self, most: int, patience: float = 5.0) -> None:
        self._most = most
        self._of_account = max(1, most // 4)
        self._patience = patience
        self._taken: Counter[int] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, userid: int) -> Iterator[None]:
        """A place for an account.

        Raises
        ------
        NoTurnError
            If no place becomes free in time.
        """
        deadline = time.monotonic() + self._patience
        with self._changed:
            while self._taken.total() >= self._most or self._taken[userid] >= self._of_account:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise NoTurnError(
                        f"you have {self._taken[userid]} queries that run, and the server {self._taken.total()}: "
                        "wait for them, or submit the query to the queue"
                    )
            self._taken[userid] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[userid] -= 1
                self._changed.notify_all()

"""Logging of Kafka's clients: librdkafka repeats itself many times a second while a broker is unavailable."""

from __future__ import annotations

import logging
import re
import time
from typing import Final

SECONDS: Final = 60.0
"""Interval in which a line is written once."""
_MOST: Final = 200
"""Number of different lines that are remembered."""
_VARYING: Final = re.compile(r"rdkafka#\w+-\d+|\(after \d+ms [^)]*\)")
"""Name of the client and duration of an attempt."""


class WithoutRepetition(logging.Filter):
    """Lets a line pass once in a while, with the number of those left out since.

    Parameters
    ----------
    seconds : float
        How long an equal line is left out; lines that differ in the client or in the duration are equal.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._written: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        text = record.getMessage()
        key, now = _VARYING.sub("", text), time.monotonic()
        if now - self._written.get(key, -self._seconds) < self._seconds:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False
        if len(self._written) >= _MOST:
            self._written.clear()
            self._left_out.clear()
        self._written[key] = now
        count = self._left_out.pop(key, 0)
        if count:
            record.msg, record.args = f"{text} ({count} equal lines were left out)", None
        return True


def client_log(name: str) -> logging.Logger:
    """The logger for the clients of a module, to be given as `logger` to each of them.

    Examples
    --------
    >>> client_log("broker_assets.resources.kafka").name
    'broker_assets.resources.kafka.client'
    """
    log = logging.getLogger(f"{name}.client")
    if not any(isinstance(known, WithoutRepetition) for known in log.filters):
        log.addFilter(WithoutRepetition())
    return log

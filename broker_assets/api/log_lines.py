"""Lines of the log of the web application: each begins with its time, UTC."""

from __future__ import annotations

import logging
import time
from typing import Final

FORMAT: Final = "%(asctime)s +0000 %(levelname)s %(name)s: %(message)s"
_SERVER: Final = ("uvicorn", "uvicorn.access", "uvicorn.error")


class UtcFormatter(logging.Formatter):
    """Time, level, logger, message.

    Examples
    --------
    >>> record = logging.makeLogRecord({"created": 0.0, "levelname": "INFO", "name": "a", "msg": "b"})
    >>> UtcFormatter().format(record)
    '1970-01-01 00:00:00 +0000 INFO a: b'
    """

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(FORMAT, "%Y-%m-%d %H:%M:%S")


def add_times() -> None:
    """Begin the log lines of the server, and our own warnings, with the time; without a server nothing changes."""
    handlers = [handler for name in _SERVER for handler in logging.getLogger(name).handlers]
    for handler in handlers:
        handler.setFormatter(UtcFormatter())
    own = logging.getLogger("broker_assets")
    if handlers and not any(isinstance(one, logging.StreamHandler) for one in own.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(UtcFormatter())
        own.addHandler(handler)

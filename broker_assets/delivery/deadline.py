"""A time limit for a whole conversation over a socket.

Time limits of sockets apply to each call: a peer that sends a byte now and then could hold its caller for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Deadline:
    """Context manager that ends a connection when the time is up.

    Parameters
    ----------
    seconds : float
        Time limit from the call of `ends` on.

    Examples
    --------
    >>> ours, theirs = socket.socketpair()
    >>> with Deadline(0.01) as deadline:
    ...     deadline.ends(ours)
    ...     (ours.recv(1), deadline.over)
    (b'', True)
    >>> ours.close(), theirs.close()
    (None, None)
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        """Whether the time was over before the conversation."""
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def ends(self, connection: socket.socket) -> None:
        """Start the time for a connection."""
        self._cancel()
        self._timer = threading.Timer(self._seconds, self._end, [connection])
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, connection: socket.socket) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            # Shut down the socket below TLS, which ends a wait in another thread.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

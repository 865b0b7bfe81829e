"""Connections that are kept between transactions, for a process that queries the database every few seconds.

A new connection costs PostgreSQL a process, which reads its catalogues again: ten times the cost of the short queries
of sensors. Each transaction finds the session in the state of a new connection; connections that are old, or that the
server has closed, are replaced.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from broker_assets.database import engine

MOST: Final = 2
"""Connections that are kept, at most; further ones are closed after use."""

Connection = psycopg.Connection[tuple[Any, ...]]


class KeptConnections:
    """Connections to one database, safe to use from several threads.

    Parameters
    ----------
    url : str
        As for `engine.connect`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []
        _all.add(self)

    @contextmanager
    def transaction(self, *, connect_timeout: float = 10.0) -> Iterator[Connection]:
        """Run the body as one transaction; the same as `engine.transaction`.

        Raises
        ------
        DatabaseUnavailableError
            If the database cannot be reached.
        """
        since, connection = self._taken() or (time.monotonic(), self._new(connect_timeout))
        try:
            with connection.transaction():
                yield connection
        finally:
            self._give_back(since, connection)

    def forget(self) -> None:
        """Forget the connections without closing them, after a fork: they belong to the parent."""
        self._lock = threading.Lock()
        self._idle = []

    def _new(self, connect_timeout: float) -> Connection:
        connection = engine.connect(self._url, connect_timeout=connect_timeout)
        connection.prepare_threshold = None  # prepared statements do not survive `DISCARD ALL`
        return connection

    def _taken(self) -> tuple[float, Connection] | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if time.monotonic() - since < engine.RECYCLE_SECONDS and not engine.has_news(connection):
                return since, connection
            connection.close()

    def _give_back(self, since: float, connection: Connection) -> None:
        if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
            # Resets settings, locks and temporary tables of the session; adapters and the like belong to the
            # connection.
            clean = connection.pgconn.exec_(b"DISCARD ALL").status == ExecStatus.COMMAND_OK
            with self._lock:
                if clean and len(self._idle) < MOST:
                    self._idle.append((since, connection))
                    return
        connection.close()


_all: weakref.WeakSet[KeptConnections] = weakref.WeakSet()


def _forget_all() -> None:
    for kept in list(_all):
        kept.forget()


os.register_at_fork(after_in_child=_forget_all)

"""Database connections for requests: a bounded pool, so that a light curve does not wait for a log-in.

A connection is checked before a request gets it: those that a restarted server has closed are replaced unnoticed. While
the server is unavailable, requests fail immediately, and the first one after its return succeeds again. The queries
belong to the routers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import psycopg
from anyio import from_thread
from fastapi import Request
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from broker_assets.api.conflicts import ConflictError, note
from broker_assets.database.engine import (
    CONFLICTS,
    DatabaseUnavailableError,
    connect,
    connection_arguments,
    unavailable,
)

log = logging.getLogger(__name__)

TIMEOUT: Final = 20.0
"""Time limit of a query, seconds."""
WAIT: Final = 5.0
"""Seconds that a request waits for a connection while all are in use."""
CONNECT_SECONDS: Final = 3.0
"""Longest time that a server may take to answer a log-in."""
RECONNECT_SECONDS: Final = 2.0
"""For this long the pool retries by itself; afterwards each request makes it try again, which is sooner."""
_LOOK: Final = 0.2
"""Seconds between two checks of why there is no connection."""


class ConnectionsInUseError(DatabaseUnavailableError):
    """All connections are in use, and none was returned in time."""


class QuestionTooLongError(DatabaseUnavailableError):
    """A query took longer than its time limit."""


_EXPLAINED: Final[dict[type, str]] = {
    ConflictError: "another request changed the same things at the same time; try again in a moment",
    ConnectionsInUseError: "too many requests at once; try again in a moment",
    QuestionTooLongError: f"the database did not answer within {TIMEOUT:.0f} s; ask for less, or try again later",
}


def has_gone(request: Request) -> Callable[[], bool]:
    """A function that any thread may call: whether the client of a request has closed its connection.

    For endpoints that the server runs in a thread, after they have read the body.
    """
    loop = from_thread.run_sync(asyncio.get_running_loop)

    def asked() -> bool:
        return asyncio.run_coroutine_threadsafe(request.is_disconnected(), loop).result(timeout=10)

    return asked


def unfit(error: BaseException) -> str:
    """Why the database rejects a value, such as a text with NUL or a number out of range.

    It is logged, too: the fault may also be in one of our statements.
    """
    log.warning("a value does not fit: %s", error)
    reason = getattr(getattr(error, "diag", None), "message_primary", None) or error
    return f"a value does not fit: {reason}"


def explained(error: Exception) -> str:
    """What a user is shown about a database error: what to do, and no address.

    Examples
    --------
    >>> explained(DatabaseUnavailableError("no route to db.example"))
    'the database is unavailable; try again in a moment'
    """
    return _EXPLAINED.get(type(error), "the database is unavailable; try again in a moment")


class Connections:
    """Gives each request a connection in a read-only transaction, or one that writes.

    Parameters
    ----------
    url : str or None
        SQLAlchemy URL; without one every request fails with `DatabaseUnavailableError`.
    most : int
        Most connections at once.
    writes : bool
        Whether requests may change something: each statement is then a transaction, unless one is opened.
    """

    def __init__(self, url: str | None, *, most: int = 16, writes: bool = False) -> None:
        self._writes = writes
        self._url = url
        self._trouble: psycopg.Error | None = None
        self._pool: ConnectionPool[_Connection] | None = None
        if url is None:
            return
        arguments = connection_arguments(
            url,
            application="broker-assets api",
            statement_timeout=TIMEOUT,
            autocommit=True,
            read_only=not writes,
            connect_timeout=CONNECT_SECONDS,
        )
        self._pool = ConnectionPool(
            arguments.pop("conninfo"),
            connection_class=_Connection,
            # A server that vanished from the network without closing its connections is noticed too.
            kwargs={**arguments, "report": self._report, "tcp_user_timeout": round(TIMEOUT * 1000)},
            min_size=0 if writes else 1,
            max_size=most,
            reconnect_timeout=RECONNECT_SECONDS,
            name="api",
            open=False,
        )

    def open(self) -> None:
        """Begin to connect, without waiting for the first connection."""
        if self._pool is not None:
            self._pool.open()

    def close(self) -> None:
        """Close the connections; those in use are closed when they are returned."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection that has been checked.

        Raises
        ------
        DatabaseUnavailableError
            If the database does not answer; subclasses say that it is merely busy.
        """
        if self._url is None or self._pool is None:
            raise DatabaseUnavailableError("no database is configured")
        connection = self._take(self._pool, self._url)
        connection.writes = self._writes
        try:
            with nullcontext() if self._writes else connection.transaction():
                yield connection
        except psycopg.errors.QueryCanceled as error:
            raise QuestionTooLongError(str(error)) from error
        except CONFLICTS as error:
            note(conflict=True)
            raise ConflictError(str(error)) from error
        except psycopg.OperationalError as error:
            raise unavailable(self._url, error) from error
        finally:
            self._pool.putconn(connection)

    @contextmanager
    def alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection outside the pool, closed after use: for background checks that no request waits for.

        Raises
        ------
        DatabaseUnavailableError
            If the database does not answer.
        """
        if self._url is None:
            raise DatabaseUnavailableError("no database is configured")
        with connect(
            self._url,
            application="broker-assets look",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            statement_timeout=TIMEOUT,
            read_only=not self._writes,
        ) as connection:
            yield connection

    def _take(self, pool: ConnectionPool[_Connection], url: str) -> _Connection:
        deadline = time.monotonic() + WAIT
        while True:
            try:
                connection = pool.getconn(_LOOK)
            except PoolTimeout:
                if self._trouble is not None:
                    raise unavailable(url, self._trouble) from None
                if time.monotonic() > deadline:
                    raise ConnectionsInUseError(f"no connection was free for {WAIT:.0f} s") from None
                continue
            except psycopg.OperationalError as error:  # the pool is closed: the server is about to end
                raise unavailable(url, error) from None
            try:
                pool.check_connection(connection)
            except psycopg.Error:
                # A server that was restarted has closed them all, and the pool replaces those that it checks.
                pool.putconn(connection)
                pool.check()
            else:
                return connection

    def _report(self, trouble: psycopg.Error | None) -> None:
        self._trouble = trouble


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection of the pool, which reports why it could not connect."""

    writes = False
    """Whether its commits are noted for the request (`conflicts`)."""

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        """A transaction; the commit of an outermost one is noted."""
        whole = self.info.transaction_status == TransactionStatus.IDLE
        with super().transaction(*arguments, **options) as transaction:
            yield transaction
        if whole and self.writes:
            note(committed=True)

    @classmethod
    def connect(cls, conninfo: str = "", *, report: Any = None, **arguments: Any) -> _Connection:  # type: ignore[override]
        """Connect, and pass the error, or None, to `report`."""
        try:
            connection = super().connect(conninfo, **arguments)
        except psycopg.Error as error:
            report(error)
            raise
        report(None)
        return connection


def database(request: Request) -> Iterator[psycopg.Connection[Any]]:
    """The connection of a request."""
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        yield connection

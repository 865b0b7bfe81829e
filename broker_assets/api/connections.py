"""Database connections for requests: kept open and handed on, so that a light curve does not wait for a log-in."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from fastapi import Request

from broker_assets.database.engine import DatabaseUnavailableError, connect

IDLE = 8
"""Connections kept while nobody asks."""
TIMEOUT = 20.0
"""Seconds that a question may take."""


class Connections:
    """Gives each request a connection in a read-only transaction.

    Parameters
    ----------
    url : str or None
        SQLAlchemy URL; without one every request fails with `DatabaseUnavailableError`.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._idle: queue.LifoQueue[psycopg.Connection[Any]] = queue.LifoQueue(IDLE)

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection; one that the server has closed meanwhile is replaced.

        Raises
        ------
        DatabaseUnavailableError
            If the database does not answer.
        """
        connection = self._take()
        try:
            with connection.transaction():
                yield connection
        except psycopg.OperationalError as error:
            raise DatabaseUnavailableError(str(error)) from error
        finally:
            self._give(connection)

    def _take(self) -> psycopg.Connection[Any]:
        if self._url is None:
            raise DatabaseUnavailableError("no database is configured")
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                break
            try:
                # A restarted server has closed its side: found out here and not in the middle of an answer.
                connection.execute("")
            except psycopg.Error:
                connection.close()
            else:
                return connection
        connection = connect(self._url, application="broker-assets api", statement_timeout=TIMEOUT, autocommit=True)
        connection.execute("SET default_transaction_read_only = on")
        return connection

    def _give(self, connection: psycopg.Connection[Any]) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if connection.closed or connection.broken or not idle:
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()

    def close(self) -> None:
        """Close those that are idle."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return


def database(request: Request) -> Iterator[psycopg.Connection[Any]]:
    """The connection of a request."""
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        yield connection

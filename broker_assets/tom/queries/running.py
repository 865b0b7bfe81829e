"""Runs the statements of a request in one transaction, within a time limit, and rolls it back.

Rows of the last statement are read as they arrive; no effect of a statement outlives its request. Statements cannot
lift the time limit, which is enforced here and not in the session.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from broker_assets.database.engine import connect
from broker_assets.tom.queries.statements import BadStatementError, Statement, as_statement, complete

PIECE: Final = 2000
"""Most rows per piece."""
PIECE_BYTES: Final = 8 * 1024**2
"""A piece with this many bytes of texts, arrays and documents has no further rows."""
_TOGETHER: Final = 32
"""Rows that the driver holds at a time: a few rows may have gigabytes, which are read before their size is known."""
_NARROW: Final = frozenset({16, 18, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950})
"""OIDs of types whose values are small."""
_AGAIN_SECONDS: Final = 1.0
"""Seconds between two attempts to cancel a statement; a block that catches the first is met by the next."""
_ATTEMPTS: Final = 10
_VIEWS_SQLSTATE: Final = "42809"


class QueryError(ValueError):
    """The statements failed; the message is that of PostgreSQL, or names the limit that was exceeded."""


class QueryTimeoutError(QueryError):
    """They took too long."""


class QueryStoppedError(Exception):
    """They were cancelled."""


@dataclass(frozen=True)
class Column:
    """A column of a result."""

    name: str
    oid: int
    """OID of the PostgreSQL type."""


@dataclass(frozen=True)
class Piece:
    """Some rows."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]


class Watch:
    """A context manager that cancels the statement of a connection after some time, or when it is stopped.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that runs statements.
    seconds : float
        Time limit for all statements together.
    unwanted : callable, optional
        Asked every second; if it returns that nobody waits for the answer, the statement is cancelled.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], seconds: float, unwanted: Callable[[], bool] | None = None
    ) -> None:
        self._connection = connection
        self._unwanted = unwanted
        self._deadline = time.monotonic() + seconds
        self._wake = threading.Event()
        self._over = False
        self.stopped = False
        self.late = False
        self._thread = threading.Thread(target=self._watch, daemon=True, name="query limit")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over = True
        self._wake.set()
        self._thread.join(2 * _AGAIN_SECONDS)

    def stop(self) -> None:
        """Cancel what runs."""
        self.stopped = True
        self._wake.set()

    def _watch(self) -> None:
        while (left := self._deadline - time.monotonic()) > 0:
            if self._wake.wait(left if self._unwanted is None else min(left, _AGAIN_SECONDS)):
                break
            if self._unwanted is not None and self._unwanted():
                self.stopped = True
                break
        if self._over:
            return
        self.late = not self.stopped
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(psycopg.Error, OSError):
                self._connection.cancel_safe(timeout=5)
            self._wake.clear()
            if self._over or (self._wake.wait(_AGAIN_SECONDS) and self._over):
                return
        self._connection.close()


@contextlib.contextmanager
def session(
    url: str, seconds: float, *, who: str, unwanted: Callable[[], bool] | None = None
) -> Iterator[tuple[psycopg.Connection[Any], Watch]]:
    """Open a connection with a transaction that is rolled back at the end.

    Parameters
    ----------
    url : str
        See `database.sql_roles.sql_url`.
    seconds : float
        Time limit for all statements together.
    who : str
        Account that asks; operators see it in `pg_stat_activity`.
    unwanted : callable, optional
        See `Watch`.

    Raises
    ------
    DatabaseUnavailableError
        If the server does not answer.
    QueryError, QueryStoppedError
        If a statement failed, exceeded the time limit, or was stopped.
    """
    opened = contextlib.closing(connect(url, application=f"sql of {who}"[:63]))
    with opened as connection, Watch(connection, seconds, unwanted) as watch:
        try:
            # The server's limit acts if this process dies; a statement can change it, but not what `Watch` does.
            limit = sql.Literal(round(seconds * 1000) + 1)
            connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(limit))
            yield connection, watch
        except psycopg.Error as error:
            if watch.stopped:
                raise QueryStoppedError("cancelled") from None
            if watch.late or isinstance(error, psycopg.errors.QueryCanceled):
                raise QueryTimeoutError(
                    f"the query took longer than {seconds:g} s and was cancelled: "
                    "ask for less, or submit it to the queue"
                ) from None
            raise QueryError(text_of(error)) from None
        finally:
            # Closing rolls back. An explicit rollback would wait for ever if rows are left that nobody reads: the frame
            # that raised the error holds their reader, and the reader holds the connection.
            connection.close()


def pieces(
    connection: psycopg.Connection[Any],
    statements: Sequence[Statement],
    *,
    begun: Callable[[int], None] = lambda number: None,
) -> Iterator[Piece]:
    """Run statements; yield the rows of the last one in pieces.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection from `session`.
    statements : sequence of Statement
        Run one after the other.
    begun : callable
        Called with the number of each, from 1.

    Yields
    ------
    Piece
        At least one, which may have no rows.

    Raises
    ------
    QueryError
        If one cannot be run, or the last one returns no rows.
    psycopg.Error
        If one fails; `session` turns it into what clients see.
    """
    for number, statement in enumerate(statements, start=1):
        begun(number)
        try:
            texts = complete(connection, statement)
        except BadStatementError as error:
            raise QueryError(str(error)) from None
        for place, text in enumerate(texts, start=1):
            if number < len(statements) or place < len(texts):
                with contextlib.suppress(_NoRowsError):
                    for _ in _streamed(connection, text):
                        pass
                continue
            try:
                yield from _streamed(connection, text)
            except _NoRowsError:
                raise QueryError("no results to fetch") from None


class _NoRowsError(Exception):
    """The statement returns no rows."""


def _streamed(connection: psycopg.Connection[Any], text: str) -> Iterator[Piece]:
    columns: tuple[Column, ...] | None = None
    rows: list[tuple[Any, ...]] = []
    wide: list[int] = []
    size = 0
    with connection.cursor() as cursor:
        try:
            for row in cursor.stream(as_statement(text), size=_TOGETHER):
                if columns is None:
                    columns = tuple(Column(column.name, column.type_code) for column in cursor.description or ())
                    wide = [place for place, column in enumerate(columns) if column.oid not in _NARROW]
                rows.append(row)
                for place in wide:
                    size += _size(row[place])
                if len(rows) == PIECE or size >= PIECE_BYTES:
                    yield Piece(columns, rows)
                    rows, size = [], 0
        except psycopg.ProgrammingError as error:
            if error.sqlstate is not None:
                raise
            # The driver reports this, not the server.
            if "produce a result" in str(error):
                raise _NoRowsError from None
            raise QueryError("COPY is not possible here: write a SELECT") from None
    if rows or columns is None:
        yield Piece(columns or _described(connection, text), rows)


def _size(value: Any) -> int:
    """Bytes of a value, about."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return sum(map(_size, value.items())) if isinstance(value, dict) else 8


def _described(connection: psycopg.Connection[Any], text: str) -> tuple[Column, ...]:
    """Columns of a statement that returned no rows, for which the driver does not keep them."""
    server = connection.pgconn
    server.prepare(b"", text.encode())
    found = server.describe_prepared(b"")
    return tuple(Column((found.fname(place) or b"").decode(), found.ftype(place)) for place in range(found.nfields))


def text_of(error: psycopg.Error) -> str:
    """A PostgreSQL error as in the original, with the line and position in the statement."""
    if error.sqlstate is None:
        return str(error)
    name = str(error.diag.message_primary or "").split('"')
    if error.sqlstate == _VIEWS_SQLSTATE and len(name) == 3 and name[2] == " is not a table":
        # Some tables of the original are views here, which the server notices before it checks the owner.
        return f"must be owner of table {name[1]}\n"
    return f"{error}\n"

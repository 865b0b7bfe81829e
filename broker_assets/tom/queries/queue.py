"""SQL that users leave to be run later: kept with its owner, its progress, and where its result is.

A query is taken by one run at a time, fairly between accounts: first of those that have the fewest running, then of
those whose last one began longest ago. One whose run has died is taken again.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broker_assets.tom.queries.result_files import FORMATS
from broker_assets.tom.queries.statements import Statement

Connection = psycopg.Connection[Any]
State = Literal["queued", "started", "finished", "error"]

MOST_UNFINISHED: Final = 20
"""Queries of an account that wait or run."""
SILENT_SECONDS: Final = 60
"""A run that says nothing for so long has died."""
MOST_ATTEMPTS: Final = 3
"""A query whose run has died so often has failed."""
CANCELLED: Final = "cancelled"
"""Text of the error of a query that its account has cancelled."""
_COLUMNS: Final = (
    "queryid, submitted, started, finished, error, errortext, queries, subdicts, format, userid, attempts, statement,"
    " resultrows, resultbytes, cancelled"
)
# Whose turn it is.
_NEXT: Final = (
    "SELECT queryid FROM db_queryqueue AS waiting WHERE finished IS NULL AND (started IS NULL OR seen_at IS NULL OR"
    " seen_at < now() - make_interval(secs => %(silent)s)) AND userid IS NOT NULL ORDER BY"
    " (SELECT count(*) FROM db_queryqueue AS other WHERE other.userid = waiting.userid AND other.finished IS NULL"
    " AND other.seen_at >= now() - make_interval(secs => %(silent)s)),"
    " (SELECT max(started) FROM db_queryqueue AS other WHERE other.userid = waiting.userid) NULLS FIRST,"
    " submitted, queryid LIMIT 1 FOR UPDATE SKIP LOCKED"
)


class UnknownQueryError(LookupError):
    """There is no such query, or it is another account's."""


class TooManyQueriesError(ValueError):
    """The account has several queries that wait or run."""


class LostError(Exception):
    """The query was cancelled, removed, or taken by another run."""


@dataclass(frozen=True)
class Queued:
    """A query of the queue."""

    queryid: uuid.UUID
    submitted: datetime.datetime
    started: datetime.datetime | None
    finished: datetime.datetime | None
    error: bool
    errortext: str | None
    queries: list[str]
    subdicts: list[dict[str, Any]]
    format: str
    userid: int | None
    attempts: int
    statement: int
    """Statement that runs, from 1."""
    resultrows: int
    resultbytes: int | None
    cancelled: bool

    @property
    def state(self) -> State:
        """Where it is."""
        if self.error:
            return "error"
        if self.finished is not None:
            return "finished"
        return "queued" if self.started is None else "started"

    @property
    def statements(self) -> list[Statement]:
        """What runs."""
        return [Statement(text, values) for text, values in zip(self.queries, self.subdicts, strict=True)]

    @property
    def file(self) -> str:
        """Name of the file with its result."""
        return f"{self.queryid}.{FORMATS[self.format][1]}"


def submit(connection: Connection, userid: int, statements: Sequence[Statement], form: str) -> uuid.UUID:
    """Queue a query.

    Raises
    ------
    TooManyQueriesError
        If the account has several that wait or run.
    ValueError
        If there is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"Unknown format {form}")
    identifier = uuid.uuid4()
    with connection.transaction():
        # Two submissions at once count one after the other.
        connection.execute("SELECT FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (userid,))
        row = connection.execute(
            "SELECT count(*) FROM db_queryqueue WHERE userid = %s AND finished IS NULL", (userid,)
        ).fetchone()
        if row is not None and row[0] >= MOST_UNFINISHED:
            raise TooManyQueriesError(f"you have {row[0]} queries that wait or run: wait for them, or cancel one")
        connection.execute(
            "INSERT INTO db_queryqueue (queryid, submitted, error, queries, subdicts, format, userid)"
            " VALUES (%s, clock_timestamp(), false, %s, %s::jsonb[], %s, %s)",
            (
                identifier,
                [one.text for one in statements],
                [Jsonb(dict(one.values)) for one in statements],
                form,
                userid,
            ),
        )
    return identifier


def get(connection: Connection, userid: int, queryid: uuid.UUID) -> Queued:
    """A query of an account.

    Raises
    ------
    UnknownQueryError
        If the account has none of this identifier.
    """
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS} FROM db_queryqueue WHERE queryid = %s AND userid = %s",  # noqa: S608
            (queryid, userid),
        ).fetchone()
    if found is None:
        raise UnknownQueryError(f"Unknown query {queryid}")
    return found


def listed(connection: Connection, userid: int, *, most: int = 100) -> list[Queued]:
    """Queries of an account, the newest first."""
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM db_queryqueue WHERE userid = %s ORDER BY submitted DESC, queryid LIMIT %s",  # noqa: S608
            (userid, most),
        ).fetchall()


def cancel(connection: Connection, userid: int, queryid: uuid.UUID) -> bool:
    """Cancel a query that waits or runs; whether it did."""
    return bool(
        connection.execute(
            "UPDATE db_queryqueue SET cancelled = true, error = true, errortext = %s, finished = clock_timestamp()"
            " WHERE queryid = %s AND userid = %s AND finished IS NULL",
            (CANCELLED, queryid, userid),
        ).rowcount
    )


def is_waiting(connection: Connection) -> bool:
    """Whether a query waits for a run."""
    row = connection.execute(f"SELECT EXISTS ({_NEXT})".replace(" FOR UPDATE SKIP LOCKED", ""), _silence()).fetchone()
    return bool(row is not None and row[0])


def take(connection: Connection) -> Queued | None:
    """Take the query whose turn it is, if one waits; it is then running.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    """
    while True:
        with connection.transaction(), connection.cursor(row_factory=class_row(Queued)) as cursor:
            taken = cursor.execute(
                "UPDATE db_queryqueue SET started = clock_timestamp(), seen_at = clock_timestamp(),"  # noqa: S608
                " attempts = attempts + 1, statement = 0, resultrows = 0"
                f" WHERE queryid = ({_NEXT}) RETURNING {_COLUMNS}",
                _silence(),
            ).fetchone()
        if taken is None or taken.attempts <= MOST_ATTEMPTS:
            return taken
        fail(connection, taken, f"its run ended {MOST_ATTEMPTS} times before the query did; ask for less")


def _silence() -> dict[str, int]:
    return {"silent": SILENT_SECONDS}


def say(connection: Connection, query: Queued, statement: int, rows: int) -> None:
    """Say how far a query is.

    Raises
    ------
    LostError
        If it is no longer this run's.
    """
    if not _update(connection, query, "seen_at = clock_timestamp(), statement = %s, resultrows = %s", statement, rows):
        raise LostError(f"query {query.queryid} was cancelled, or another run has it")


def finish(connection: Connection, query: Queued, rows: int, size: int) -> bool:
    """End a query whose result is stored; whether it was still this run's."""
    return _update(connection, query, "finished = clock_timestamp(), resultrows = %s, resultbytes = %s", rows, size)


def fail(connection: Connection, query: Queued, reason: str) -> bool:
    """End a query that failed; whether it was still this run's."""
    return _update(connection, query, "finished = clock_timestamp(), error = true, errortext = %s", reason)


def give_back(connection: Connection, query: Queued) -> bool:
    """Let another run take a query, without counting this one; whether it was still this run's."""
    return _update(connection, query, "started = NULL, seen_at = NULL, attempts = attempts - 1")


def _update(connection: Connection, query: Queued, changes: str, *values: Any) -> bool:
    # Each taking has a number of its own: a run that was thought dead no longer changes anything.
    return bool(
        connection.execute(
            f"UPDATE db_queryqueue SET {changes} WHERE queryid = %s AND attempts = %s AND finished IS NULL",  # type: ignore[arg-type]  # noqa: S608
            (*values, query.queryid, query.attempts),
        ).rowcount
    )


def expired(connection: Connection, days: float) -> list[Queued]:
    """Queries that ended some days ago, the oldest first."""
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM db_queryqueue WHERE finished < now() - make_interval(secs => %s)"  # noqa: S608
            " ORDER BY finished LIMIT 1000",
            (days * 86400,),
        ).fetchall()


def forget(connection: Connection, queries: Sequence[Queued]) -> None:
    """Remove queries whose files are removed."""
    connection.execute("DELETE FROM db_queryqueue WHERE queryid = ANY(%s)", ([query.queryid for query in queries],))

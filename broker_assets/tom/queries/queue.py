"""SQL that users submit to run later: stored with its owner, its progress, and the location of its result.

A query is taken by one run at a time, fairly between accounts: first from accounts with the fewest running queries,
then from those whose last query began longest ago. A query whose run has died is taken again.
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
"""Most queries of an account that wait or run."""
SILENT_SECONDS: Final = 60
"""A run that reports nothing for this long is considered dead."""
MOST_ATTEMPTS: Final = 3
"""A query whose runs have died this often has failed."""
CANCELLED: Final = "cancelled"
"""Text of the error of a query that its account has cancelled."""
_COLUMNS: Final = (
    "queryid, submitted, started, finished, error, errortext, queries, subdicts, format, userid, attempts, statement,"
    " resultrows, resultbytes, cancelled"
)
# Whose turn it is next.
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
    """The account has too many queries that wait or run."""


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
    """Number of the statement that runs, from 1."""
    resultrows: int
    resultbytes: int | None
    cancelled: bool

    @property
    def state(self) -> State:
        """State of the query."""
        if self.error:
            return "error"
        if self.finished is not None:
            return "finished"
        return "queued" if self.started is None else "started"

    @property
    def statements(self) -> list[Statement]:
        """Its statements."""
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
        If the account has `MOST_UNFINISHED` queries that wait or run.
    ValueError
        If there is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"Unknown format {form}")
    identifier = uuid.uuid4()
    with connection.transaction():
        # Concurrent submissions are counted one after the other.
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
        If the account has no query with this identifier.
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
    """Cancel a query; return whether it was waiting or running."""
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
    """Take the next query in turn, if one waits, and mark it as running.

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
    """Report the progress of a query.

    Raises
    ------
    LostError
        If the query no longer belongs to this run.
    """
    if not _update(connection, query, "seen_at = clock_timestamp(), statement = %s, resultrows = %s", statement, rows):
        raise LostError(f"query {query.queryid} was cancelled, or another run has it")


def finish(connection: Connection, query: Queued, rows: int, size: int) -> bool:
    """Finish a query whose result is stored; return whether it still belonged to this run."""
    return _update(connection, query, "finished = clock_timestamp(), resultrows = %s, resultbytes = %s", rows, size)


def fail(connection: Connection, query: Queued, reason: str) -> bool:
    """Finish a query that failed; return whether it still belonged to this run."""
    return _update(connection, query, "finished = clock_timestamp(), error = true, errortext = %s", reason)


def give_back(connection: Connection, query: Queued) -> bool:
    """Release a query for another run, without counting this attempt; return whether it still belonged to this run."""
    return _update(connection, query, "started = NULL, seen_at = NULL, attempts = attempts - 1")


def _update(connection: Connection, query: Queued, changes: str, *values: Any) -> bool:
    # Each attempt has a number of its own, so that a run that was considered dead can no longer change anything.
    return bool(
        connection.execute(
            f"UPDATE db_queryqueue SET {changes} WHERE queryid = %s AND attempts = %s AND finished IS NULL",  # type: ignore[arg-type]  # noqa: S608
            (*values, query.queryid, query.attempts),
        ).rowcount
    )


def expired(connection: Connection, days: float) -> list[Queued]:
    """Queries that ended more than some days ago, the oldest first."""
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM db_queryqueue WHERE finished < now() - make_interval(secs => %s)"  # noqa: S608
            " ORDER BY finished LIMIT 1000",
            (days * 86400,),
        ).fetchall()


def forget(connection: Connection, queries: Sequence[Queued]) -> None:
    """Remove queries whose files are removed."""
    connection.execute("DELETE FROM db_queryqueue WHERE queryid = ANY(%s)", ([query.queryid for query in queries],))

"""Asynchronous queries of TAP: kept in the database with their owner, phases, uploads and results (IVOA UWS 1.1).

A job of an account is seen by that account alone. One without an account is seen by all who know its identifier, which
has 128 random bits; it is in no list. A job whose process ended is begun again once. What runs them is
`api.vo.tap_worker`.
"""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row

from broker_assets.database.turns import in_turn

Connection = psycopg.Connection[Any]
Phase = Literal["PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"]

MOST_UNFINISHED: Final = 10
"""Jobs of an account, or of an address without one, that have not ended."""
MOST_OF_GUESTS: Final = 200
"""Jobs without an account that have not ended, of all addresses together."""
KEPT: Final = 50
"""Jobs of an account, or of an address without one, that are kept."""
LONGEST_PARAMETERS: Final = 40_000
"""Characters of the parameters of a job, its query among them."""
MOST_BYTES: Final = 512 * 1024**2
"""Results of an account that are kept, and of all guests together; the oldest go first."""
LARGEST_RESULT: Final = 256 * 1024**2
"""Bytes of a result."""
SILENT_SECONDS: Final = 30
"""A process that says nothing for so long has died."""
MOST_ATTEMPTS: Final = 2
"""A job that has begun so often, and whose process died each time, has failed."""
INTERRUPTED: Final = "its process ended while it ran; run it again"
KEPT_DAYS: Final = 1
LONGEST_DAYS: Final = 14
"""Until a job is destroyed: if nothing else is asked for, and at most."""
_COLUMNS: Final = (
    "jobid, userid, COALESCE(username, '') AS username, phase, parameters, most_rows, duration, destruction, server,"
    " attempts, said, media_type, bytes, asked_at, begun_at, finished_at"
)
_FROM: Final = " FROM access.tap_jobs LEFT JOIN access.users USING (userid)"
_PIECE: Final = 1024**2


class TooManyJobs(ValueError):
    """There are several jobs that have not ended, or the server has no room; the message says which."""


class UnknownJob(LookupError):
    """There is no job of this identifier, or it is another account's."""


class ParametersTooLong(ValueError):
    """The parameters of a job are longer than is kept."""


class JobEnded(ValueError):
    """The job is past the phase in which this can be changed."""


class ResultTooLarge(ValueError):
    """The result has more bytes than are kept."""


@dataclass(frozen=True)
class Owner:
    """Who makes a job: an account, or an address without one."""

    userid: int | None
    address: str


@dataclass(frozen=True)
class Job:
    """A job."""

    jobid: str
    userid: int | None
    username: str
    """Account that owns it; empty: all who know its identifier."""
    phase: Phase
    parameters: dict[str, str]
    most_rows: int
    duration: int
    destruction: datetime.datetime
    server: str
    attempts: int
    said: str
    media_type: str
    bytes: int
    asked_at: datetime.datetime
    begun_at: datetime.datetime | None
    finished_at: datetime.datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.phase in ("COMPLETED", "ERROR", "ABORTED")


def make(
    connection: Connection,
    owner: Owner,
    parameters: Mapping[str, str],
    *,
    uploads: Mapping[str, bytes],
    most_rows: int,
    duration: int,
    server: str,
) -> str:
    """Make a job, which waits to be run.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner : Owner
        Who makes it.
    parameters : mapping of str to str
        Of the query, checked.
    uploads : mapping of str to bytes
        VOTables by the names of their tables.
    most_rows, duration : int
        Rows of the result, and seconds, at most.
    server : str
        Address of the server as the client wrote it.

    Returns
    -------
    str
        Its identifier.

    Raises
    ------
    TooManyJobs
        If its owner has several jobs that have not ended, or the server too many.
    ParametersTooLong
        If the query and the other parameters are longer than is kept.
    """
    _check(parameters)
    identifier = secrets.token_hex(16)
    address = owner.address if owner.userid is None else ""
    given = {"userid": owner.userid, "address": address, "kept": KEPT - 1}
    with connection.transaction():
        destroy_expired(connection)
        in_turn(connection, "broker_assets tap jobs")
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE userid IS NOT DISTINCT FROM %(userid)s::bigint AND address = %(address)s),"
            " count(*) FILTER (WHERE userid IS NULL) FROM access.tap_jobs"
            " WHERE phase IN ('PENDING', 'QUEUED', 'EXECUTING')",
            given,
        ).fetchone()
        if row is not None and row[0] >= MOST_UNFINISHED:
            raise TooManyJobs(f"you have {row[0]} jobs that have not ended: wait for them, abort or delete some")
        if row is not None and owner.userid is None and row[1] >= MOST_OF_GUESTS:
            raise TooManyJobs("the server has many jobs of visitors at the moment; log in, or try again later")
        connection.execute(
            "DELETE FROM access.tap_jobs WHERE jobid IN (SELECT jobid FROM access.tap_jobs WHERE userid IS NOT DISTINCT"
            " FROM %(userid)s::bigint AND address = %(address)s AND phase IN ('COMPLETED', 'ERROR', 'ABORTED')"
            " ORDER BY asked_at DESC OFFSET %(kept)s)",
            given,
        )
        connection.execute(
            "INSERT INTO access.tap_jobs (jobid, userid, address, phase, parameters, most_rows, duration, destruction,"
            " server) VALUES (%s, %s, %s, 'PENDING', %s, %s, %s, now() + make_interval(days => %s), %s)",
            (identifier, owner.userid, address, json.dumps(dict(parameters)),
             most_rows, duration, KEPT_DAYS, server),
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO access.tap_uploads (jobid, name, content) VALUES (%s, %s, %s)",
                [(identifier, name, content) for name, content in uploads.items()],
            )
    return identifier


def _check(parameters: Mapping[str, str]) -> None:
    if sum(len(name) + len(value) for name, value in parameters.items()) > LONGEST_PARAMETERS:
        raise ParametersTooLong(
            f"the parameters have more than {LONGEST_PARAMETERS} characters; send tables as uploads"
        )


def get(connection: Connection, userid: int | None, jobid: str) -> Job:
    """A job that an account, or a guest (None), may see.

    Raises
    ------
    UnknownJob
        If there is none.
    """
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE jobid = %s AND (userid IS NULL OR userid = %s) AND destruction > now()",
            (jobid, userid),
        ).fetchone()
    if found is None:
        raise UnknownJob(f"there is no job {jobid[:40]}")
    return found


def listed(
    connection: Connection,
    userid: int,
    *,
    phases: Iterable[str] = (),
    after: datetime.datetime | None = None,
    last: int | None = None,
) -> list[Job]:
    """Jobs of an account, the newest first; of some phases, made after a time, at most `last`."""
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE userid = %(userid)s AND destruction > now()"
            " AND (%(phases)s::text[] = '{}' OR phase = ANY(%(phases)s)) AND (%(after)s::timestamptz IS NULL"
            " OR asked_at > %(after)s) ORDER BY asked_at DESC LIMIT %(last)s",
            {"userid": userid, "phases": list(phases), "after": after, "last": KEPT * 2 if last is None else last},
        ).fetchall()


def queue(connection: Connection, jobid: str) -> None:
    """Let a job run.

    Raises
    ------
    JobEnded
        If it is past that.
    """
    if not connection.execute(
        "UPDATE access.tap_jobs SET phase = 'QUEUED' WHERE jobid = %s AND phase = 'PENDING'", (jobid,)
    ).rowcount:
        raise JobEnded("only a job that is PENDING can be run")


def abort(connection: Connection, jobid: str) -> None:
    """Abort a job; one that has ended stays as it is."""
    connection.execute("DELETE FROM access.tap_uploads WHERE jobid = %s", (jobid,))
    connection.execute(
        "UPDATE access.tap_jobs SET phase = 'ABORTED', finished_at = now() WHERE jobid = %s"
        " AND phase IN ('PENDING', 'QUEUED', 'EXECUTING')",
        (jobid,),
    )


def destroy(connection: Connection, jobid: str) -> None:
    """Remove a job with its uploads and result."""
    connection.execute("DELETE FROM access.tap_jobs WHERE jobid = %s", (jobid,))


def destroy_expired(connection: Connection) -> None:
    """Remove the jobs whose time has come, and the oldest results beyond what is kept."""
    connection.execute("DELETE FROM access.tap_jobs WHERE destruction <= now()")
    connection.execute(
        "DELETE FROM access.tap_jobs WHERE jobid IN (SELECT jobid FROM (SELECT jobid, sum(bytes) OVER"
        " (PARTITION BY userid ORDER BY asked_at DESC, jobid) AS total FROM access.tap_jobs) AS counted"
        " WHERE total > %s)",
        (MOST_BYTES,),
    )


def change(
    connection: Connection,
    jobid: str,
    *,
    parameters: Mapping[str, str] | None = None,
    most_rows: int | None = None,
    duration: int | None = None,
    destruction: datetime.datetime | None = None,
) -> None:
    """Change a job: what it asks only while it is PENDING, its destruction at any time.

    Raises
    ------
    JobEnded
        If it is past that.
    ParametersTooLong
        If the parameters are longer than is kept.
    """
    if destruction is not None:
        connection.execute(
            "UPDATE access.tap_jobs SET destruction = least(%s, asked_at + make_interval(days => %s)) WHERE jobid = %s",
            (destruction, LONGEST_DAYS, jobid),
        )
    if parameters is None and duration is None:
        return
    _check(parameters or {})
    if not connection.execute(
        "UPDATE access.tap_jobs SET parameters = COALESCE(%s::json, parameters), most_rows = COALESCE(%s, most_rows),"
        " duration = COALESCE(%s, duration) WHERE jobid = %s AND phase = 'PENDING'",
        (None if parameters is None else json.dumps(dict(parameters)), most_rows, duration, jobid),
    ).rowcount:
        raise JobEnded("only a job that is PENDING can be changed")


def uploads_of(connection: Connection, jobid: str) -> dict[str, bytes]:
    """VOTables of a job, by the names of their tables."""
    rows = connection.execute("SELECT name, content FROM access.tap_uploads WHERE jobid = %s", (jobid,))
    return {name: bytes(content) for name, content in rows}


def take(connection: Connection) -> Job | None:
    """Take the job that is next, which is then executing.

    Those whose process died wait again, or have failed. The next is the oldest of the owner with the fewest that are
    executing: nobody's ten jobs keep another's first waiting.
    """
    with connection.transaction():
        connection.execute(
            "UPDATE access.tap_jobs SET phase = CASE WHEN attempts < %s THEN 'QUEUED' ELSE 'ERROR' END,"
            " said = CASE WHEN attempts < %s THEN said ELSE %s END,"
            " finished_at = CASE WHEN attempts < %s THEN NULL ELSE now() END"
            " WHERE phase = 'EXECUTING' AND seen_at < now() - make_interval(secs => %s)",
            (MOST_ATTEMPTS, MOST_ATTEMPTS, INTERRUPTED, MOST_ATTEMPTS, SILENT_SECONDS),
        )
        row = connection.execute(
            "UPDATE access.tap_jobs SET phase = 'EXECUTING', begun_at = now(), seen_at = now(), attempts = attempts + 1"
            " WHERE jobid = (SELECT jobid FROM access.tap_jobs AS waiting WHERE phase = 'QUEUED' ORDER BY"
            " (SELECT count(*) FROM access.tap_jobs AS other WHERE phase = 'EXECUTING' AND other.userid IS NOT DISTINCT"
            " FROM waiting.userid AND other.address = waiting.address), asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING jobid"
        ).fetchone()
        if row is None:
            return None
        connection.execute("DELETE FROM access.tap_results WHERE jobid = %s", row)
        with connection.cursor(row_factory=class_row(Job)) as cursor:
            return cursor.execute(f"SELECT {_COLUMNS}{_FROM} WHERE jobid = %s", row).fetchone()


def any_waiting(connection: Connection) -> bool:
    """Whether a job waits, or was left by a process that may have ended."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM access.tap_jobs WHERE phase IN ('QUEUED', 'EXECUTING'))"
    ).fetchone()
    return bool(row is not None and row[0])


def still(connection: Connection, jobids: Iterable[str]) -> set[str]:
    """Say that these jobs are being worked at; those that still should be."""
    rows = connection.execute(
        "UPDATE access.tap_jobs SET seen_at = now() WHERE jobid = ANY(%s) AND phase = 'EXECUTING' RETURNING jobid",
        (list(jobids),),
    )
    return {row[0] for row in rows}


def give_back(connection: Connection, jobids: Iterable[str]) -> None:
    """Let jobs of a process that is about to end wait again, as if they had not begun."""
    connection.execute(
        "UPDATE access.tap_jobs SET phase = 'QUEUED', attempts = attempts - 1 WHERE jobid = ANY(%s)"
        " AND phase = 'EXECUTING'",
        (list(jobids),),
    )


def keep_result(connection: Connection, jobid: str, pieces: Iterable[bytes]) -> int:
    """Store the file of a result while it is made; its size in bytes.

    Raises
    ------
    ResultTooLarge
        If it is larger than what is kept.
    JobEnded
        If the job has been removed meanwhile.
    """
    size, number, held = 0, 0, bytearray()

    def store() -> None:
        nonlocal number
        try:
            connection.execute(
                "INSERT INTO access.tap_results (jobid, number, content) VALUES (%s, %s, %s)",
                (jobid, number, bytes(held)),
            )
        except psycopg.errors.ForeignKeyViolation:
            raise JobEnded(f"the job {jobid} has been removed") from None
        number += 1
        held.clear()

    for piece in pieces:
        size += len(piece)
        if size > LARGEST_RESULT:
            raise ResultTooLarge(
                f"the result is larger than {LARGEST_RESULT // 1024**2} MiB: ask for fewer columns or rows"
            )
        held += piece
        if len(held) >= _PIECE:
            store()
    if held:
        store()
    return size


def finish(
    connection: Connection, job: Job, phase: Phase, *, said: str = "", media_type: str = "", size: int = 0
) -> None:
    """End a job, unless it was aborted or another process has begun it again.

    Its uploads are no longer needed; a failed one loses its result.
    """
    done = connection.execute(
        "UPDATE access.tap_jobs SET phase = %s, said = %s, media_type = %s, bytes = %s, finished_at = now()"
        " WHERE jobid = %s AND phase = 'EXECUTING' AND begun_at = %s",  # not the attempt, which may be given back
        (phase, said[:2000], media_type, size, job.jobid, job.begun_at),
    ).rowcount
    if done:
        connection.execute("DELETE FROM access.tap_uploads WHERE jobid = %s", (job.jobid,))
    if done and phase != "COMPLETED":
        connection.execute("DELETE FROM access.tap_results WHERE jobid = %s", (job.jobid,))


def result(connection: Connection, jobid: str) -> Iterator[bytes]:
    """The file of a result, piece by piece."""
    number = 0
    while True:
        row = connection.execute(
            "SELECT content FROM access.tap_results WHERE jobid = %s AND number = %s", (jobid, number)
        ).fetchone()
        if row is None:
            return
        yield bytes(row[0])
        number += 1

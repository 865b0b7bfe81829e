"""Trials of filters that people ask for: queued, run by a process of their own, and found again.

What a trial does is in `stream.trial_runs`; here is what the database knows of it.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row

from broker_assets.access.accounts import User
from broker_assets.filters.query import Form, check
from broker_assets.filters.registry import write_definition
from broker_assets.filters.store import require_readable

Connection = psycopg.Connection[Any]
State = Literal["waiting", "running", "done", "refused", "failed", "cancelled"]

MOST_WAITING: Final = 3
"""Trials of an account that wait or run."""
MOST_NIGHTS: Final = 30
"""Nights of a trial."""
KEPT: Final = 50
"""Trials of an account that are kept."""
SILENT_SECONDS: Final = 120
"""A process that says nothing for so long has died."""
_COLUMNS: Final = (
    "trialid, trial.userid, username, filterid, version, activates, definition, nights, most_alerts, lists_now,"
    " CASE WHEN state = 'running' AND seen_at < now() - make_interval(secs => 120) THEN 'failed' ELSE state END"
    " AS state, CASE WHEN state = 'running' AND seen_at < now() - make_interval(secs => 120)"
    " THEN 'its process ended; ask for it again' ELSE said END AS said, night::text, alerts, result, asked_at,"
    " begun_at, finished_at"
)
_FROM: Final = " FROM access.trials AS trial JOIN access.users USING (userid)"


class TooManyTrials(ValueError):
    """The account has several trials that wait or run."""


class UnknownTrial(LookupError):
    """There is no trial of this number, or it is another account's."""


class Cancelled(Exception):
    """The trial was cancelled while it ran."""


@dataclass(frozen=True)
class Trial:
    """A trial."""

    trialid: int
    userid: int
    username: str
    filterid: int | None
    version: int | None
    activates: bool
    definition: str
    nights: int
    most_alerts: int | None
    lists_now: bool
    state: State
    said: str
    night: str | None
    alerts: int
    result: dict[str, Any] | None
    asked_at: datetime.datetime
    begun_at: datetime.datetime | None
    finished_at: datetime.datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state not in ("waiting", "running")


def ask(
    connection: Connection,
    user: User,
    form: Form | str,
    *,
    nights: int = 1,
    most_alerts: int | None = None,
    lists_now: bool = False,
    filterid: int | None = None,
    version: int | None = None,
    activates: bool = False,
) -> int:
    """Queue a trial.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Who asks.
    form : Form or str
        What is tried.
    nights : int
        The newest nights of the archive, 1 to 30.
    most_alerts : int, optional
        Approximate number of alerts read per night.
    lists_now : bool
        Whether lists are applied as they are now.
    filterid, version : int, optional
        The filter, if it is one that is saved.
    activates : bool
        Whether the filter is activated if it keeps to its quota.

    Returns
    -------
    int
        `trialid`.

    Raises
    ------
    FilterError, BadSetting
        If the definition is not accepted, or names what the account may not read.
    TooManyTrials
        If the account has several trials that wait or run.
    """
    require_readable(connection, user.username, check(form))
    with connection.transaction():
        connection.execute("SELECT FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (user.userid,))
        row = connection.execute(
            "SELECT count(*) FROM access.trials WHERE userid = %s AND (state = 'waiting' OR (state = 'running'"
            " AND seen_at > now() - make_interval(secs => %s)))",
            (user.userid, SILENT_SECONDS),
        ).fetchone()
        if row is not None and row[0] >= MOST_WAITING:
            raise TooManyTrials(f"you have {row[0]} trials that wait or run: wait for them, or cancel one")
        connection.execute(
            "DELETE FROM access.trials WHERE userid = %s AND state NOT IN ('waiting', 'running') AND trialid NOT IN"
            " (SELECT trialid FROM access.trials WHERE userid = %s ORDER BY trialid DESC LIMIT %s)",
            (user.userid, user.userid, KEPT - 1),
        )
        found = connection.execute(
            "INSERT INTO access.trials (userid, filterid, version, activates, definition, nights, most_alerts,"
            " lists_now) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING trialid",
            (user.userid, filterid, version, activates, write_definition(form), min(max(nights, 1), MOST_NIGHTS),
             most_alerts, lists_now),
        ).fetchone()  # fmt: skip
    if found is None:
        raise LookupError("INSERT … RETURNING gave no row")
    return int(found[0])


def get(connection: Connection, user: User, trialid: int) -> Trial:
    """A trial of an account.

    Raises
    ------
    UnknownTrial
        If the account has none of this number.
    """
    with connection.cursor(row_factory=class_row(Trial)) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE trialid = %s AND trial.userid = %s",
            (trialid, user.userid),
        ).fetchone()
    if found is None:
        raise UnknownTrial(f"there is no trial {trialid}")
    return found


def of_account(
    connection: Connection, user: User, *, filterid: int | None = None, unsaved: bool = False, limit: int = 10
) -> list[Trial]:
    """Trials of an account, the newest first; of one filter, of those that are not saved, or all."""
    with connection.cursor(row_factory=class_row(Trial)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE trial.userid = %(userid)s AND (%(filterid)s::bigint IS NULL"
            " OR filterid = %(filterid)s) AND (NOT %(unsaved)s OR filterid IS NULL) ORDER BY trialid DESC"
            " LIMIT %(limit)s",
            {"userid": user.userid, "filterid": filterid, "unsaved": unsaved, "limit": limit},
        ).fetchall()


def cancel(connection: Connection, user: User, trialid: int) -> bool:
    """Cancel a trial that waits or runs; whether it did."""
    return bool(
        connection.execute(
            "UPDATE access.trials SET state = 'cancelled', finished_at = now() WHERE trialid = %s AND userid = %s"
            " AND state IN ('waiting', 'running')",
            (trialid, user.userid),
        ).rowcount
    )


def take(connection: Connection) -> Trial | None:
    """Take the trial that has waited longest, which is then running; those whose process died are failed."""
    with connection.transaction():
        connection.execute(
            "UPDATE access.trials SET state = 'failed', said = 'its process ended; ask for it again',"
            " finished_at = now() WHERE state = 'running' AND seen_at < now() - make_interval(secs => %s)",
            (SILENT_SECONDS,),
        )
        row = connection.execute(
            "UPDATE access.trials SET state = 'running', begun_at = now(), seen_at = now() WHERE trialid ="
            " (SELECT trialid FROM access.trials WHERE state = 'waiting' ORDER BY trialid LIMIT 1"
            " FOR UPDATE SKIP LOCKED) RETURNING trialid"
        ).fetchone()
        if row is None:
            return None
        with connection.cursor(row_factory=class_row(Trial)) as cursor:
            return cursor.execute(f"SELECT {_COLUMNS}{_FROM} WHERE trialid = %s", row).fetchone()


def progress(connection: Connection, trialid: int, night: str, alerts: int) -> None:
    """Say how far a trial is.

    Raises
    ------
    Cancelled
        If it was cancelled.
    """
    done = connection.execute(
        "UPDATE access.trials SET night = %s, alerts = %s, seen_at = now() WHERE trialid = %s AND state = 'running'",
        (night, alerts, trialid),
    ).rowcount
    if not done:
        raise Cancelled


def finish(
    connection: Connection, trialid: int, state: State, said: str = "", result: dict[str, Any] | None = None
) -> None:
    """End a trial, unless it was cancelled."""
    connection.execute(
        "UPDATE access.trials SET state = %s, said = %s, result = %s, finished_at = now() WHERE trialid = %s"
        " AND state = 'running'",
        (state, said, None if result is None else json.dumps(result), trialid),
    )

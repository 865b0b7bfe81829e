"""The record of who changed what."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import psycopg

_WHO = "coalesce(account.username, CASE WHEN change.userid IS NULL THEN 'operator' ELSE 'removed' END)"
_LIST = (
    f"SELECT changeid, change.at, {_WHO}, action, subject, details FROM access.changes AS change"  # noqa: S608
    " LEFT JOIN access.users AS account USING (userid)"
    f" WHERE (%(who)s = '' OR lower({_WHO}) = lower(%(who)s)) AND (%(action)s = '' OR action = %(action)s)"
    " AND (%(subject)s = '' OR strpos(lower(subject), lower(%(subject)s)) > 0)"
    " AND change.at >= coalesce(%(since)s::timestamptz, '-infinity')"
    " AND (%(before)s::bigint IS NULL OR changeid < %(before)s)"
    " ORDER BY changeid DESC LIMIT %(most)s"
)


@dataclass(frozen=True)
class Change:
    """One entry."""

    changeid: int
    at: datetime.datetime
    username: str
    """Who did it; `operator` for the command line."""
    action: str
    subject: str
    details: str


def record(
    connection: psycopg.Connection[Any], userid: int | None, action: str, subject: str, details: str = ""
) -> None:
    """Record a change, in the transaction that makes it; `details` must not contain secrets."""
    connection.execute(
        "INSERT INTO access.changes (userid, action, subject, details) VALUES (%s, %s, %s, %s)",
        (userid, action, subject, details),
    )


def newest(
    connection: psycopg.Connection[Any],
    most: int = 100,
    *,
    who: str = "",
    action: str = "",
    subject: str = "",
    since: datetime.datetime | None = None,
    before: int | None = None,
) -> list[Change]:
    """Return the newest entries, newest first.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection of a role that may read accounts.
    most : int
        Maximum number.
    who, action, subject : str
        Only entries of this account (`operator`: the command line), of this kind, and whose subject contains this text.
    since : datetime, optional
        Only entries from this time on.
    before : int, optional
        Only entries before this one, for the next page.
    """
    values = {"who": who, "action": action, "subject": subject, "since": since, "before": before, "most": most}
    return [Change(*row) for row in connection.execute(_LIST, values)]


def actions(connection: psycopg.Connection[Any]) -> list[str]:
    """Return all kinds of entries on record."""
    return [row[0] for row in connection.execute("SELECT DISTINCT action FROM access.changes ORDER BY action")]

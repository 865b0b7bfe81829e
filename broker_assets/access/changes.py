"""The record of who changed what."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import psycopg

_LIST = (
    "SELECT change.at, coalesce(account.username, CASE WHEN change.userid IS NULL THEN 'operator' ELSE 'removed' END),"
    " action, subject, details FROM access.changes AS change LEFT JOIN access.users AS account USING (userid)"
    " ORDER BY changeid DESC LIMIT %s"
)


@dataclass(frozen=True)
class Change:
    """One entry."""

    at: datetime.datetime
    username: str
    """Who did it; `operator` for the command line."""
    action: str
    subject: str
    details: str


def record(
    connection: psycopg.Connection[Any], userid: int | None, action: str, subject: str, details: str = ""
) -> None:
    """Enter a change, in the transaction that makes it; `details` must have no secret."""
    connection.execute(
        "INSERT INTO access.changes (userid, action, subject, details) VALUES (%s, %s, %s, %s)",
        (userid, action, subject, details),
    )


def newest(connection: psycopg.Connection[Any], most: int = 100) -> list[Change]:
    """The newest entries, newest first."""
    return [Change(*row) for row in connection.execute(_LIST, (most,))]

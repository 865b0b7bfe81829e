"""Secret addresses of calendars: calendar programs send no token, so the address contains a secret.

Only the digest of a secret is stored. A new address invalidates the old one.
"""

from __future__ import annotations

import datetime
import secrets
from typing import Any

import psycopg

from broker_assets.access.accounts import User
from broker_assets.access.tokens import stored_hash

Connection = psycopg.Connection[Any]


def renew(connection: Connection, user: User) -> str:
    """Create a secret for the calendar of an account; an earlier one is no longer valid."""
    secret = secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO access.calendar_feeds (userid, digest) VALUES (%s, %s)"
        " ON CONFLICT (userid) DO UPDATE SET digest = excluded.digest, made = now()",
        (user.userid, stored_hash(secret)),
    )
    return secret


def end(connection: Connection, user: User) -> None:
    """Revoke the address of the calendar of an account."""
    connection.execute("DELETE FROM access.calendar_feeds WHERE userid = %s", (user.userid,))


def made(connection: Connection, user: User) -> datetime.datetime | None:
    """When the address of an account was created; None if it has none."""
    row = connection.execute("SELECT made FROM access.calendar_feeds WHERE userid = %s", (user.userid,)).fetchone()
    return None if row is None else row[0]


def owner_of(connection: Connection, secret: str) -> str | None:
    """Name of the account with a secret; None if it is not valid, or the account is not active."""
    row = connection.execute(
        "SELECT username FROM access.calendar_feeds JOIN access.users USING (userid)"
        " WHERE digest = %s AND active AND date_removed IS NULL",
        (stored_hash(secret),),
    ).fetchone()
    return None if row is None else str(row[0])

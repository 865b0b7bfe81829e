"""API tokens: shown once, stored as their hash.

A token is 160 random bits, written as 40 hexadecimal digits, the form that clients of Lasair send. A plain hash of it
is enough, since it cannot be guessed.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg

from broker_assets.access import changes
from broker_assets.access.accounts import USER_COLUMNS, User, user_of

Connection = psycopg.Connection[Any]
Scope = Literal["read", "write"]

_FORM: Final = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
MOST: Final = 50
"""Maximum number of tokens of an account."""


class BadToken(ValueError):
    """A token cannot be made as requested; the message says why."""


@dataclass(frozen=True)
class Token:
    """What is known of a token, without the token itself."""

    tokenid: int
    name: str
    scope: Scope
    date_created: datetime.datetime
    date_expires: datetime.datetime | None
    last_used: datetime.datetime | None


@dataclass(frozen=True)
class Bearer:
    """The owner of the token of a request, and what it may do."""

    user: User
    scope: Scope


def create(
    connection: Connection,
    user: User,
    name: str,
    scope: Scope = "read",
    *,
    days: float | None = None,
    by: int | None = None,
) -> str:
    """Make a token.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Whose it is.
    name : str
        What it is for, unique within the account.
    scope : str
        `read`, or `write` for one that may change things as well.
    days : float, optional
        Days until it expires; default: never.
    by : int, optional
        Account that creates it; None for the command line.

    Returns
    -------
    str
        The token. It cannot be read again.

    Raises
    ------
    BadToken
        If the name is empty or used, the scope is unknown, or there are too many.
    """
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise BadToken("a token needs a name of 1 to 100 printable characters that says what it is for")
    if scope not in ("read", "write"):
        raise BadToken(f"the scope of a token is read or write, not {scope!r}")
    if days is not None and not 0 < days <= 36_500:
        raise BadToken("a token expires after 0 to 36,500 days")
    token = secrets.token_hex(20)
    with connection.transaction():
        _in_turn(connection, user)
        count = connection.execute("SELECT count(*) FROM access.tokens WHERE userid = %s", (user.userid,)).fetchone()
        if count is not None and count[0] >= MOST:
            raise BadToken(f"an account has at most {MOST} tokens: revoke one that is not used")
        row = connection.execute(
            "INSERT INTO access.tokens (userid, name, scope, sha256, date_expires)"
            " VALUES (%s, %s, %s, %s, now() + %s::float8 * interval '1 day') ON CONFLICT DO NOTHING RETURNING tokenid",
            (user.userid, name, scope, stored_hash(token), days),
        ).fetchone()
        if row is None:
            raise BadToken(f"{user.username} has a token named {name}; revoke it first, or choose another name")
        changes.record(connection, by, "token made", user.username, f"{name}, {scope}")
    return token


def issue(connection: Connection, user: User, name: str, scope: Scope, *, most: int) -> str:
    """Make one more token, for programs that ask for one by password whenever they start.

    Parameters
    ----------
    connection, user, scope
        As for `create`; the token never expires.
    name : str
        What the tokens are for; all but the first have a number appended.
    most : int
        Maximum number of such tokens of the account. If it is reached, the one that has not been used for the longest
        time is replaced, so that programs that ask at the same time do not end each other's.

    Returns
    -------
    str
        The token. It cannot be read again.

    Raises
    ------
    BadToken
        See `create`.
    """
    with connection.transaction():
        _in_turn(connection, user)
        rows = connection.execute(
            "SELECT name FROM access.tokens WHERE userid = %s AND name ~ ('^' || %s || '( [0-9]+)?$')"
            " ORDER BY greatest(last_used, date_created), tokenid",
            (user.userid, re.escape(name)),
        ).fetchall()
        given = [str(row[0]) for row in rows]
        ended = given[: max(0, len(given) - most + 1)]
        connection.execute("DELETE FROM access.tokens WHERE userid = %s AND name = ANY(%s)", (user.userid, ended))
        names = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
        free = next(one for one in names if one not in given or one in ended)
        return create(connection, user, free, scope, by=user.userid)


def _in_turn(connection: Connection, user: User) -> None:
    """Wait for others who are making tokens of the account, so that counting and replacing include theirs."""
    connection.execute("SELECT FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (user.userid,))


def of_user(connection: Connection, user: User) -> list[Token]:
    """The tokens of an account, oldest first."""
    rows = connection.execute(
        "SELECT tokenid, name, scope, date_created, date_expires, last_used FROM access.tokens WHERE userid = %s"
        " ORDER BY tokenid",
        (user.userid,),
    )
    return [Token(*row) for row in rows]


def revoke(connection: Connection, user: User, name: str, *, by: int | None = None) -> None:
    """Revoke a token.

    Raises
    ------
    BadToken
        If the account has none of that name.
    """
    with connection.transaction():
        row = connection.execute(
            "DELETE FROM access.tokens WHERE userid = %s AND name = %s RETURNING tokenid", (user.userid, name)
        ).fetchone()
        if row is None:
            raise BadToken(f"{user.username} has no token named {name}")
        changes.record(connection, by, "token revoked", user.username, name)


def bearer(connection: Connection, token: str) -> Bearer | None:
    """Return whose token this is; None if it is unknown, has expired, or its account is not active.

    The time of use is written at most once a minute.
    """
    if not _FORM.fullmatch(token):
        return None
    row = connection.execute(
        f"SELECT {USER_COLUMNS}, scope, tokenid, coalesce(last_used < now() - interval '1 minute', true)"  # noqa: S608
        " FROM access.tokens JOIN access.users USING (userid)"
        " WHERE sha256 = %s AND active AND date_removed IS NULL AND coalesce(date_expires > now(), true)",
        (stored_hash(token.lower()),),
    ).fetchone()
    if row is None:
        return None
    *user, scope, tokenid, due = row
    if due:
        connection.execute("UPDATE access.tokens SET last_used = now() WHERE tokenid = %s", (tokenid,))
    return Bearer(user_of(user), scope)


def stored_hash(secret: str) -> str:
    """Return the hash that is stored of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()

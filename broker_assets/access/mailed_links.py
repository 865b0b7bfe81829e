"""Links sent by e-mail: to replace a forgotten password, and to activate an account.

The secret in a link is random, is stored as its hash, works once and expires soon. Nobody can find out whether an
address has an account: the answer to a request is always the same, and the caller sends the message after it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg

from broker_assets.access import accounts, changes
from broker_assets.access.accounts import USER_COLUMNS, User, user_of
from broker_assets.access.tokens import stored_hash

Connection = psycopg.Connection[Any]
Purpose = Literal["password", "activation"]

MINUTES: Final[dict[Purpose, int]] = {"password": 60, "activation": 3 * 24 * 60}
"""Time after which a link expires."""
BY_ACCOUNT: Final = 3
"""Links sent to an account in an hour; further requests are silently ignored."""
BY_ADDRESS: Final = 20
"""Allowed requests from a network address in an hour."""
_KEEP_DAYS: Final = 30
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class TooManyLinks(PermissionError):
    """A network address made too many requests; `seconds` is the time until the next one is allowed."""

    def __init__(self) -> None:
        super().__init__("too many requests for messages; try again in an hour")
        self.seconds = 3600


class BadLink(PermissionError):
    """The link is unknown, was used, or has expired."""


@dataclass(frozen=True)
class Link:
    """A link to send."""

    user: User
    secret: str
    """It cannot be read again."""


def ask(connection: Connection, purpose: Purpose, given: str, address: str) -> list[Link]:
    """Make links for the accounts that have a name or an e-mail address.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    purpose : str
        `password` for accounts that are active, `activation` for those that never were.
    given : str
        Name of an account, or an e-mail address, which several accounts may have.
    address : str
        Network address of the request.

    Returns
    -------
    list of Link
        The links to send; empty if no account is meant, or if it has been sent too many.

    Raises
    ------
    TooManyLinks
        If there were too many requests from that network address.
    """
    with connection.transaction():
        _forget(connection)
        row = connection.execute(
            "SELECT count(*) FROM access.mailed_links WHERE address = %s AND date_created > now() - interval '1 hour'",
            (address,),
        ).fetchone()
        if row is not None and row[0] >= BY_ADDRESS:
            raise TooManyLinks
        found = connection.execute(
            f"SELECT {USER_COLUMNS} FROM access.users WHERE (lower(username) = lower(%s) OR lower(email) = lower(%s))"  # noqa: S608
            " AND email <> '' AND date_removed IS NULL AND CASE %s WHEN 'password' THEN active"
            " ELSE NOT active AND last_login IS NULL END AND NOT roles && ARRAY['guest'] AND (SELECT count(*)"
            " FROM access.mailed_links AS link WHERE link.userid = users.userid"
            " AND link.date_created > now() - interval '1 hour') < %s ORDER BY userid LIMIT 5",
            (given, given, purpose, BY_ACCOUNT),
        ).fetchall()
        if not found:
            _insert(connection, purpose, None, address)
        return [Link(user_of(item), _insert(connection, purpose, item[0], address)) for item in found]


def make(connection: Connection, purpose: Purpose, user: User, address: str) -> Link:
    """Make a link for an account, on behalf of an administrator or a registration."""
    return Link(user, _insert(connection, purpose, user.userid, address))


def find(connection: Connection, purpose: Purpose, secret: str) -> User:
    """Return the account of a link, which stays usable: mail scanners open the links in messages.

    Raises
    ------
    BadLink
        If it is unknown, was used, or has expired.
    """
    found = _find(connection, purpose, secret)
    if found is None:
        raise BadLink("the link is unknown, has already been used, or has expired; request a new one")
    return found


def set_password(connection: Connection, purpose: Purpose, secret: str, password: str) -> User:
    """Use a link to set a password, which activates an account that was never active; all its links then expire.

    Raises
    ------
    BadLink
        See `find`.
    BadPassword
        If the password is not allowed; the link stays usable.
    """
    with connection.transaction():
        user = find(connection, purpose, secret)
        changed = accounts.update(
            connection, user.username, password=password, active=True if purpose == "activation" else None,
            by=user.userid,
        )  # fmt: skip
        _end(connection, user)
    return changed


def activate(connection: Connection, secret: str) -> User:
    """Use a link to activate an account that has a password.

    Raises
    ------
    BadLink
        See `find`.
    """
    with connection.transaction():
        user = find(connection, "activation", secret)
        changed = accounts.update(connection, user.username, active=True, by=user.userid)
        _end(connection, user)
    return changed


def has_password(connection: Connection, user: User) -> bool:
    """Whether an account can log in by password once it is active."""
    row = connection.execute("SELECT password <> '' FROM access.users WHERE userid = %s", (user.userid,)).fetchone()
    return row is not None and bool(row[0])


def _insert(connection: Connection, purpose: Purpose, userid: int | None, address: str) -> str:
    secret = secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO access.mailed_links (sha256, userid, purpose, address, date_expires)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(mins => %s))",
        (stored_hash(secret), userid, purpose, address, MINUTES[purpose]),
    )
    return secret


def _find(connection: Connection, purpose: Purpose, secret: str) -> User | None:
    if not _FORM.fullmatch(secret):
        return None
    row = connection.execute(
        f"SELECT {USER_COLUMNS} FROM access.mailed_links JOIN access.users USING (userid)"  # noqa: S608
        " WHERE sha256 = %s AND purpose = %s AND date_used IS NULL AND date_expires > now() AND date_removed IS NULL"
        " AND CASE purpose WHEN 'password' THEN active ELSE NOT active AND last_login IS NULL END FOR UPDATE",
        (stored_hash(secret), purpose),
    ).fetchone()
    return None if row is None else user_of(row)


def _end(connection: Connection, user: User) -> None:
    connection.execute(
        "UPDATE access.mailed_links SET date_used = now() WHERE userid = %s AND date_used IS NULL", (user.userid,)
    )
    changes.record(connection, user.userid, "link used", user.username)


def _forget(connection: Connection) -> None:
    connection.execute(
        "DELETE FROM access.mailed_links WHERE date_created < now() - make_interval(days => %s)", (_KEEP_DAYS,)
    )

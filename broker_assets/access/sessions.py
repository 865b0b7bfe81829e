"""Sessions: the log-in of a browser, or of a program that logs in like a browser.

The cookie is random and stored as its hash. A new one is made at every log-in, so that nobody can know it beforehand. A
session ends by logging out, two weeks after its last use, 90 days after the log-in, when the password changes, or when
the account is deactivated.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.access.accounts import USER_COLUMNS, User, user_of
from broker_assets.access.tokens import stored_hash

Connection = psycopg.Connection[Any]

IDLE_DAYS: Final = 14
"""Days without a request after which a session ends; also the age of its cookie."""
DAYS: Final = 90
"""Days after the log-in."""


@dataclass(frozen=True)
class Session:
    """The session of a cookie."""

    user: User
    csrf: str
    """Token that every request that changes something must repeat."""


def begin(connection: Connection, user: User) -> tuple[str, str]:
    """Begin a session; ended sessions of the account are deleted.

    Returns
    -------
    cookie, csrf : str
        Neither can be read again.
    """
    cookie, csrf = secrets.token_hex(16), secrets.token_hex(16)
    with connection.transaction():
        connection.execute(
            "DELETE FROM access.sessions WHERE last_used < now() - make_interval(days => %s)"
            " OR date_created < now() - make_interval(days => %s)",
            (IDLE_DAYS, DAYS),
        )
        connection.execute(
            "INSERT INTO access.sessions (sha256, userid, csrf) VALUES (%s, %s, %s)",
            (stored_hash(cookie), user.userid, csrf),
        )
    return cookie, csrf


def find(connection: Connection, cookie: str) -> Session | None:
    """Return the session of a cookie, None if it has ended; the time of use is written at most once a minute."""
    if not cookie or len(cookie) > 64:
        return None
    hashed = stored_hash(cookie)
    row = connection.execute(
        f"SELECT {USER_COLUMNS}, csrf, last_used < now() - interval '1 minute'"  # noqa: S608
        " FROM access.sessions JOIN access.users USING (userid)"
        " WHERE sha256 = %s AND active AND date_removed IS NULL AND last_used > now() - make_interval(days => %s)"
        " AND date_created > now() - make_interval(days => %s)",
        (hashed, IDLE_DAYS, DAYS),
    ).fetchone()
    if row is None:
        return None
    *user, csrf, due = row
    if due:
        connection.execute("UPDATE access.sessions SET last_used = now() WHERE sha256 = %s", (hashed,))
    return Session(user_of(user), csrf)


def end(connection: Connection, cookie: str) -> None:
    """Log out."""
    connection.execute("DELETE FROM access.sessions WHERE sha256 = %s", (stored_hash(cookie),))


def end_all(connection: Connection, userid: int) -> int:
    """End every session of an account; return their number."""
    return connection.execute("DELETE FROM access.sessions WHERE userid = %s", (userid,)).rowcount


def masked(csrf: str) -> str:
    """The value against forged requests as a page has it: different in each page, and as good as the value itself.

    Pages are compressed, and the size of a compressed page gives away whether what an attacker wrote into its address
    is like the secrets of the page (BREACH). Of a value that is masked by a random one nothing repeats.

    Parameters
    ----------
    csrf : str
        Value of a session or of the cookie; what is not hexadecimal is given back as it is.
    """
    try:
        value = bytes.fromhex(csrf)
    except ValueError:
        return csrf
    mask = secrets.token_bytes(len(value))
    return (mask + bytes(one ^ other for one, other in zip(mask, value, strict=True))).hex()


def repeats(given: object, csrf: str | None) -> bool:
    """Whether a request repeats the value against forged requests, as it is or `masked`.

    Examples
    --------
    >>> repeats("c0ffee", "c0ffee"), repeats(masked("c0ffee"), "c0ffee"), repeats(masked("c0ffed"), "c0ffee")
    (True, True, False)
    """
    if not isinstance(given, str) or not csrf:
        return False
    if len(given) == 2 * len(csrf):
        try:
            both = bytes.fromhex(given)
        except ValueError:
            return False
        half = len(both) // 2
        given = bytes(one ^ other for one, other in zip(both[:half], both[half:], strict=True)).hex()
    return is_same(given, csrf)


def is_same(given: str | None, wanted: str | None) -> bool:
    """Whether two secrets are equal and not empty, in a time that does not depend on where they differ.

    Examples
    --------
    >>> is_same("abc", "abc"), is_same("abc", "abd"), is_same("", ""), is_same(None, None)
    (True, False, False, False)
    """
    return bool(given) and bool(wanted) and hmac.compare_digest(str(given).encode(), str(wanted).encode())

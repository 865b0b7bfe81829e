"""Log-in by a challenge: the password is the passphrase of a key, and never leaves the client.

The client names an account and gets its private key, encrypted with the password, and a text that is encrypted for that
key. A client that answers with the text can open the key and therefore knows the password. The dialogue is that of
FASTDB.

A challenge that is answered wrongly, or not within `SECONDS`, counts as a wrong guess like that of a password
(`guesses`): a client that cannot open the key does not answer. A challenge can be answered only once and only by the
client that asked for it, as it belongs to a cookie. A name without an account, or an account that cannot log in this
way, gets a challenge like all others.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.access import guesses, key_pairs
from broker_assets.access.accounts import USER_COLUMNS, User, WrongPassword, user_of
from broker_assets.access.guesses import BY_ADDRESS, TooManyGuesses
from broker_assets.access.key_pairs import KeyPair
from broker_assets.access.sessions import is_same
from broker_assets.access.tokens import stored_hash

Connection = psycopg.Connection[Any]

SECONDS: Final = 120
"""Time after which a challenge expires: deriving the key takes slow clients some seconds."""
MOST_WAITING: Final = BY_ADDRESS
"""Maximum number of open challenges of an account or an address: programs may start together."""


@dataclass(frozen=True)
class Challenge:
    """What a client receives."""

    pair: KeyPair
    encrypted: str
    """The text with which the client must answer, encrypted; base64."""
    cookie: str
    """Shows that the answer comes from the client that asked."""


def ask(connection: Connection, username: str, address: str, seed: Callable[[str], str]) -> Challenge:
    """Begin a log-in.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction.
    username, address : str
        Name of the account, and network address of the client.
    seed : callable
        Derives a secret of this server from a name, see `key_pairs.pair_of_nobody`.

    Raises
    ------
    guesses.TooManyGuesses
        If there were too many wrong guesses, or too many log-ins have begun.
    """
    name = username.lower()[:150]
    _count_unanswered(connection)
    guesses.check(connection, name, address)
    _check_waiting(connection, name, address)
    nobody = key_pairs.pair_of_nobody(seed(name))  # always made: the response time must not depend on it
    user, own = _account(connection, name)
    pair = own if own is not None else nobody
    text, cookie = str(uuid.uuid4()), secrets.token_hex(16)
    userid = user.userid if user is not None and own is not None else None
    connection.execute(
        "INSERT INTO access.login_challenges (sha256, username, userid, response, address, date_expires)"
        " VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
        (
            stored_hash(cookie),
            name,
            userid,
            stored_hash(text),
            address,
            SECONDS,
        ),
    )
    return Challenge(pair, base64.b64encode(key_pairs.encrypt(pair, text.encode())).decode(), cookie)


def answer(connection: Connection, cookie: str, username: str, response: str, address: str) -> User:
    """Complete a log-in; whether the answer is right or wrong, there is no second one.

    Raises
    ------
    WrongPassword
        If it is not the answer to an unexpired challenge that this client was given for this account.
    guesses.TooManyGuesses
        If there have been too many wrong guesses in the meantime.
    """
    name = username.lower()[:150]
    guesses.check(connection, name, address)
    row = connection.execute(
        "DELETE FROM access.login_challenges WHERE sha256 = %s RETURNING username, userid, response,"
        " date_expires > now()",
        (stored_hash(cookie),),
    ).fetchone()
    user, pair = _account(connection, name)
    right = row is not None and is_same(stored_hash(response), row[2]) and row[0] == name and bool(row[3])
    # The account may have changed since: another password, another name, deactivated.
    if row is None or not right or user is None or pair is None or row[1] != user.userid:
        guesses.remember(connection, name, address)
        raise WrongPassword("Authentication failure.")
    with connection.transaction():
        guesses.forget(connection, name)
        connection.execute("UPDATE access.users SET last_login = now() WHERE userid = %s", (user.userid,))
    return user


def _account(connection: Connection, name: str) -> tuple[User | None, KeyPair | None]:
    row = connection.execute(
        f"SELECT {USER_COLUMNS}, password FROM access.users WHERE lower(username) = %s AND active"  # noqa: S608
        " AND date_removed IS NULL",
        (name,),
    ).fetchone()
    # The pair is always queried, so that the response time does not depend on it.
    pair = key_pairs.find(connection, row[0] if row else 0, row[-1] if row else "")
    return (None if row is None else user_of(row[:-1])), pair


def _count_unanswered(connection: Connection) -> None:
    connection.execute(
        "WITH ended AS (DELETE FROM access.login_challenges WHERE date_expires < now() RETURNING *)"
        " INSERT INTO access.failed_guesses (username, address, at) SELECT username, address, date_expires FROM ended"
    )


def _check_waiting(connection: Connection, name: str, address: str) -> None:
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE username = %(name)s), count(*) FILTER (WHERE address = %(address)s)"
        " FROM access.login_challenges WHERE username = %(name)s OR address = %(address)s",
        {"name": name, "address": address},
    ).fetchone()
    if row is not None and max(row) >= MOST_WAITING:
        raise TooManyGuesses(SECONDS)

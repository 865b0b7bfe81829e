"""People who log in through an OpenID Connect provider, and their accounts on the platform.

A person is identified by issuer and subject, which never change. An account is never found by the name or address that
the provider gives: somebody who can choose these there could take over accounts here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.access import accounts, changes
from broker_assets.access.accounts import USER_COLUMNS, BadAccount, User, user_of
from broker_assets.access.refusals import NameTaken

Connection = psycopg.Connection[Any]

_ATTEMPTS: Final = 50


@dataclass(frozen=True)
class Person:
    """A person who logged in at a provider."""

    issuer: str
    subject: str
    name: str
    """Desired name of the account; may be empty."""
    email: str
    """Address that the provider has confirmed; empty if there is none."""


class NoAccount(PermissionError):
    """The person has no account here, or it is not active; the message says which."""


def log_in(
    connection: Connection, person: Person, *, create: bool, is_taken: Callable[[str], bool] = lambda name: False
) -> User:
    """The account of a person.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    person : Person
        The person whom the provider recognised.
    create : bool
        Whether a person without an account gets one.
    is_taken : callable, optional
        Whether a new account cannot have a name for a reason other than that an account has it.

    Raises
    ------
    NoAccount
        If there is no active account.
    """
    with connection.transaction():
        row = connection.execute(
            f"SELECT {USER_COLUMNS} FROM access.identities JOIN access.users USING (userid)"  # noqa: S608
            " WHERE issuer = %s AND subject = %s AND date_removed IS NULL",
            (person.issuer, person.subject),
        ).fetchone()
        if row is None and not create:
            raise NoAccount(
                f"you have no account here; an administrator can bind one: subject {person.subject[:200]!r}"
            )
        user = user_of(row) if row is not None else _create(connection, person, is_taken)
        if not user.active:
            raise NoAccount("the account is deactivated")
        connection.execute("UPDATE access.users SET last_login = now() WHERE userid = %s", (user.userid,))
    return user


def bind(connection: Connection, username: str, issuer: str, subject: str, *, by: int | None = None) -> None:
    """Allow a person to log in to an account.

    Raises
    ------
    UnknownAccount, BadAccount
        If there is no such account, or the person has another one.
    """
    with connection.transaction():
        user = accounts.get(connection, username)
        row = connection.execute(
            "INSERT INTO access.identities (issuer, subject, userid) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
            " RETURNING userid",
            (issuer.rstrip("/"), subject, user.userid),
        ).fetchone()
        if row is None:
            raise BadAccount(f"{subject} of {issuer} has an account")
        changes.record(connection, by, "identity bound", user.username, issuer)


def _create(connection: Connection, person: Person, is_taken: Callable[[str], bool]) -> User:
    name = re.sub(r"[^A-Za-z0-9@.+_-]", "-", person.name.partition("@")[0]).strip(".-_+@")
    name = re.sub(r"^(removed-)+", "", name, flags=re.IGNORECASE)[:140].lstrip(".-_+@") or "user"
    for number in range(1, _ATTEMPTS + 1):
        wanted = name if number == 1 else f"{name}-{number}"
        if is_taken(wanted):
            continue
        try:
            email = person.email
            accounts.check_address(email)
        except BadAccount:
            email = ""
        try:
            with connection.transaction():
                user = accounts.add_with_hash(connection, wanted, "", email=email)
        except (NameTaken, BadAccount):
            continue
        bind(connection, user.username, person.issuer, person.subject, by=user.userid)
        return user
    raise NoAccount("no name is free for a new account; ask an administrator")

"""Accounts as a document: exported, imported, and taken over from a dump of Django's `auth_user`.

A dump is a JSON list of rows, or a file of Django's `dumpdata` (a list of objects with `model`, `pk`, `fields`).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from broker_assets.access import accounts
from broker_assets.access.accounts import BadAccount, User
from broker_assets.access.passwords import is_known
from broker_assets.access.refusals import NameTaken
from broker_assets.instants import instant

Connection = psycopg.Connection[Any]

_EVERY: Final = (
    "SELECT userid, username, email, password, roles, active, date_joined::text,"
    " array(SELECT name FROM access.groups JOIN access.memberships USING (groupid)"
    " WHERE memberships.userid = users.userid ORDER BY name) AS groups"
    " FROM access.users WHERE date_removed IS NULL ORDER BY userid"
)


@dataclass
class Imported:
    """Which accounts of a document were taken over."""

    added: list[User] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Why an account was not taken over, by its name."""


def export(connection: Connection) -> list[dict[str, Any]]:
    """Return every account with the hash of its password, as `take_over` reads it. Tokens are not included."""
    names = ("id", "username", "email", "password", "roles", "is_active", "date_joined", "groups")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(_EVERY)]


def take_over(connection: Connection, document: Any, *, by: int | None = None) -> Imported:
    """Create the accounts of a document, with their identifiers and password hashes.

    Parameters
    ----------
    connection : psycopg.Connection
        Each account is created in a transaction of its own.
    document : list of dict
        Rows with `username`, and `id`, `email`, `password`, `is_active`, `is_superuser`, `is_staff`, `roles`, `groups`,
        `date_joined` where they are known; or objects of Django's `dumpdata`. Superusers become administrators, staff
        operators.
    by : int, optional
        Account that imports; None for the command line.

    Raises
    ------
    BadAccount
        If the document is not a list. A row that cannot be an account is refused, and the others are made.
    """
    if not isinstance(document, list):
        raise BadAccount("the document must be a list of accounts")
    done = Imported()
    for number, item in enumerate(document):
        row = _row(item)
        if row is None:
            continue
        name = str(row.get("username") or f"row {number + 1}")
        try:
            with connection.transaction():
                done.added.append(_take_over(connection, row, by))
        except (BadAccount, NameTaken) as error:
            done.refused[name] = str(error)
    return done


def _row(item: Any) -> Mapping[str, Any] | None:
    """Return the columns of an account; None for an object of another kind in a dump."""
    if not isinstance(item, Mapping):
        return {}
    if "model" in item and "fields" in item:
        if item["model"] != "auth.user" or not isinstance(item["fields"], Mapping):
            return None
        return {"id": item.get("pk"), **item["fields"]}
    return item


def _take_over(connection: Connection, row: Mapping[str, Any], by: int | None) -> User:
    hashed = row.get("password") or ""
    if isinstance(hashed, str) and hashed.startswith("argon2$argon2id$"):  # as Django writes the same hash
        hashed = hashed.removeprefix("argon2")
    if not isinstance(hashed, str) or (hashed and not is_known(hashed)):
        if isinstance(hashed, str) and hashed.startswith("!"):  # Django's mark of an account without password
            hashed = ""
        else:
            raise BadAccount("the hash of the password is neither argon2id nor pbkdf2_sha256")
    userid = row.get("id")
    if userid is not None and (not isinstance(userid, int) or isinstance(userid, bool) or not 0 < userid < 2**63):
        raise BadAccount(f"the identifier {userid!r} is not a positive whole number")
    roles = row.get("roles") or (
        ["administrator"] if row.get("is_superuser") else ["operator"] if row.get("is_staff") else []
    )
    groups = [name for name in row.get("groups") or () if isinstance(name, str)]
    user = accounts.add_with_hash(
        connection,
        str(row.get("username") or ""),
        hashed,
        email=str(row.get("email") or ""),
        roles=[str(role) for role in roles],
        userid=userid,
        active=bool(row.get("is_active", True)),
        joined=_joined(row.get("date_joined")),
        by=by,
    )
    accounts.join(connection, user.userid, groups)
    return user


def _joined(given: Any) -> datetime.datetime | None:
    """When an account was made; None if the document does not say. MySQL writes zeros for a time it does not know."""
    if given in (None, "") or str(given).startswith("0000-00-00"):
        return None
    try:
        return instant(str(given).strip())
    except ValueError:
        raise BadAccount(f"date_joined: {str(given)[:40]!r} is not a time in ISO 8601") from None

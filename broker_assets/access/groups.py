"""Groups of accounts, as administrators see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.access import accounts, changes
from broker_assets.access.accounts import EVERYBODY, BadAccount

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Group:
    """A group."""

    groupid: int
    name: str
    members: int


def every(connection: Connection) -> list[Group]:
    """All groups by name, with the number of their members."""
    rows = connection.execute(
        "SELECT groupid, name, (SELECT count(*) FROM access.memberships AS member"
        " WHERE member.groupid = groups.groupid) FROM access.groups ORDER BY lower(name)"
    )
    return [Group(*row) for row in rows]


def add(connection: Connection, name: str, *, by: int | None = None) -> None:
    """Create a group.

    Raises
    ------
    BadAccount
        If it exists, or its name is not allowed.
    """
    accounts.check_group(name)
    with connection.transaction():
        made = connection.execute(
            "INSERT INTO access.groups (name) VALUES (%s) ON CONFLICT DO NOTHING RETURNING groupid", (name,)
        ).fetchone()
        if made is None:
            raise BadAccount(f"a group named {name} exists")
        changes.record(connection, by, "group added", name)


def remove(connection: Connection, groupid: int, *, by: int | None = None) -> None:
    """Remove a group; what was shared with it is no longer shared.

    Raises
    ------
    BadAccount
        If there is no such group, or it is `Public`.
    """
    with connection.transaction():
        row = connection.execute("SELECT name FROM access.groups WHERE groupid = %s FOR UPDATE", (groupid,)).fetchone()
        if row is None or row[0] == EVERYBODY:
            raise BadAccount("there is no such group" if row is None else f"every account is in the group {EVERYBODY}")
        for table in ("shares", "memberships", "groups"):
            connection.execute(f"DELETE FROM access.{table} WHERE groupid = %s", (groupid,))  # noqa: S608
        changes.record(connection, by, "group removed", row[0])


def set_groups(connection: Connection, username: str, names: list[str], *, by: int | None = None) -> None:
    """Make an account a member of exactly these existing groups, and of `Public`.

    Raises
    ------
    UnknownAccount, BadAccount
        If there is no such account or group.
    """
    with connection.transaction():
        user = accounts.get(connection, username, lock=True)
        known = {group.name.lower() for group in every(connection)}
        missing = [name for name in names if name.lower() not in known]
        if missing:
            raise BadAccount(f"there is no group named {missing[0]}")
        before = accounts.groups_of(connection, user.userid)
        wanted = {name.lower() for name in names} | {EVERYBODY.lower()}
        accounts.leave(connection, user.userid, [name for name in before if name.lower() not in wanted])
        accounts.join(connection, user.userid, names)
        after = accounts.groups_of(connection, user.userid)
        if before != after:
            changes.record(connection, by, "groups changed", user.username, ", ".join(after))

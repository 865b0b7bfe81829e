"""What owners share with groups: filters, lists, annotators and targets. Members see them as if they were public.

Only the owner may change them. The database server applies sharing to users' SQL (`database.query_role`); functions
that look something up for an account use the database function `shared_with`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from broker_assets.access import changes
from broker_assets.access.accounts import User
from broker_assets.database.turns import in_turn

Connection = psycopg.Connection[Any]
Kind = Literal["filter", "watchlist", "area", "annotator", "target", "target_list"]

_TABLES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "filter": (("filters",), "filterid"),
    "watchlist": (("watchlists",), "wl_id"),
    "area": (("areas",), "ar_id"),
    "annotator": (("annotators",), "topic"),
    "target": (("access", "targets"), "targetid"),
    "target_list": (("access", "target_lists"), "listid"),
}


class CannotShare(PermissionError):
    """The thing does not exist or belongs to another account, or its owner is not in the group; see the message."""


def lock_sharing(connection: Connection, kind: Kind, identifier: int | str) -> None:
    """Make others who share or remove a thing wait until the transaction ends."""
    in_turn(connection, f"sharing {kind} {identifier}")


def share(connection: Connection, user: User, kind: Kind, identifier: str, groups: Collection[str]) -> None:
    """Share something with these groups and with no others.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it; its role must be allowed to read the tables of what is shared.
    user : User
        The owner.
    kind, identifier : str
        Kind of the thing, and its number or topic.
    groups : collection of str
        Groups that the owner is in; an empty collection ends the sharing.

    Raises
    ------
    CannotShare
        If the account does not own the thing, or is not in a group.
    """
    table, key = _TABLES[kind]
    with connection.transaction():
        # The second of two simultaneous requests waits, and replaces what the first has shared.
        lock_sharing(connection, kind, identifier)
        row = connection.execute(
            sql.SQL("SELECT owner FROM {} WHERE {}::text = %s").format(sql.Identifier(*table), sql.Identifier(key)),
            (identifier,),
        ).fetchone()
        if row is None or row[0] != user.username:
            raise CannotShare(f"{user.username} owns no {kind} {identifier}")
        found = connection.execute(
            "SELECT groupid, lower(name) FROM access.groups JOIN access.memberships USING (groupid) WHERE userid = %s",
            (user.userid,),
        ).fetchall()
        numbers = {name: number for number, name in found}
        missing = [name for name in groups if name.lower() not in numbers]
        if missing:
            raise CannotShare(f"{user.username} is not in a group named {missing[0]}")
        connection.execute("DELETE FROM access.shares WHERE kind = %s AND identifier = %s", (kind, identifier))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO access.shares (kind, identifier, groupid) VALUES (%s, %s, %s)",
                [(kind, identifier, number) for number in sorted({numbers[name.lower()] for name in groups})],
            )
        changes.record(connection, user.userid, "shared", f"{kind} {identifier}", ", ".join(sorted(groups)) or "nobody")


def groups_of(connection: Connection, kind: Kind, identifier: str) -> list[str]:
    """Names of the groups that something is shared with."""
    rows = connection.execute(
        "SELECT name FROM access.shares JOIN access.groups USING (groupid) WHERE kind = %s AND identifier = %s"
        " ORDER BY lower(name)",
        (kind, identifier),
    )
    return [row[0] for row in rows]

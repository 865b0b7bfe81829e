"""What an owner shares with groups: filters, lists, annotators and targets, of which members may see what is public.

Only the owner changes them. The server applies it to users' SQL (`database.query_role`); functions that look
something up for an account ask for it with the function `shared_with` of the database.
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
    """It does not exist, belongs to another account, or the group is not one of the account; the message says which."""


def lock_sharing(connection: Connection, kind: Kind, identifier: int | str) -> None:
    """Let others who share a thing, or remove it, wait until the transaction ends."""
    in_turn(connection, f"sharing {kind} {identifier}")


def share(connection: Connection, user: User, kind: Kind, identifier: str, groups: Collection[str]) -> None:
    """Share something with these groups and with no others.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it; its role must read the tables of what is shared.
    user : User
        The owner.
    kind, identifier : str
        What: its kind, and its number or topic.
    groups : collection of str
        Groups that the owner is in; none ends the sharing.

    Raises
    ------
    CannotShare
        If it is not the account's, or a group is not.
    """
    table, key = _TABLES[kind]
    with connection.transaction():
        # Of two requests at once the second waits, and replaces what the first has shared.
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

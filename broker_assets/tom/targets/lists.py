"""Lists of targets: created, filled, shared and removed by their owners."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from broker_assets.access import visibility
from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.tom.targets.fields import LONGEST_NAME, LONGEST_TEXT, BadTarget
from broker_assets.tom.targets.readers import LIST_READABLE, TARGET_READABLE, Reader

Connection = psycopg.Connection[Any]


class UnknownList(LookupError):
    """There is no such list, or the account may not see it."""


@dataclass(frozen=True)
class TargetList:
    """A list."""

    listid: int
    owner: str
    name: str
    description: str
    public: bool
    created: datetime.datetime
    targets: int
    """Number of its targets that the reader may see."""


def make(connection: Connection, owner: str, name: str, description: str = "") -> int:
    """Create a list; return its number.

    Raises
    ------
    BadTarget
        If the name is empty or too long.
    NameTaken
        If the owner has a list with this name.
    """
    name, description = _checked(name, description)
    try:
        with connection.transaction():
            row = connection.execute(
                "INSERT INTO access.target_lists (owner, name, description) VALUES (%s, %s, %s) RETURNING listid",
                (owner, name, description),
            ).fetchone()
    except UniqueViolation:
        raise NameTaken(f"name: {owner} has a list named {name!r}") from None
    return int(row[0]) if row is not None else 0


def change(
    connection: Connection, user: Reader, listid: int, *, name: str, description: str, public: bool | None = None
) -> None:
    """Change name and description of a list, and whether it is public.

    Raises
    ------
    UnknownList, NotTheOwner, BadTarget, NameTaken
        If it cannot be changed.
    """
    name, description = _checked(name, description)
    try:
        with connection.transaction():
            own(connection, user, listid)
            connection.execute(
                "UPDATE access.target_lists SET name = %s, description = %s, public = coalesce(%s, public)"
                " WHERE listid = %s",
                (name, description, public, listid),
            )
    except UniqueViolation:
        raise NameTaken(f"name: {user.name} has a list named {name!r}") from None


def add(connection: Connection, user: Reader, listid: int, numbers: Sequence[int]) -> int:
    """Add targets that the account may see to its list; return how many were not in it before."""
    with connection.transaction():
        # None of them can be removed meanwhile.
        connection.execute("SELECT FROM access.target_lists WHERE listid = %s FOR KEY SHARE", (listid,))
        connection.execute(
            "SELECT FROM access.targets WHERE targetid = ANY(%s::bigint[]) ORDER BY targetid FOR KEY SHARE",
            (list(numbers),),
        )
        own(connection, user, listid)
        # In one order, so that two requests that add the same targets cannot deadlock.
        query = sql.SQL(
            "INSERT INTO access.target_members (listid, targetid) SELECT %(listid)s, targetid"
            " FROM access.targets AS target WHERE targetid = ANY(%(numbers)s::bigint[]) AND {}"
            " ORDER BY targetid ON CONFLICT DO NOTHING"
        ).format(sql.SQL(TARGET_READABLE))
        values = {"listid": listid, "numbers": list(numbers)} | user.parameters
        return connection.execute(query, values).rowcount


def drop(connection: Connection, user: Reader, listid: int, numbers: Sequence[int]) -> int:
    """Remove targets from a list of the account; return how many were in it."""
    with connection.transaction():
        own(connection, user, listid)
        return connection.execute(
            "DELETE FROM access.target_members WHERE listid = %s AND targetid = ANY(%s::bigint[])",
            (listid, list(numbers)),
        ).rowcount


def remove(connection: Connection, user: Reader, listid: int) -> TargetList:
    """Remove a list, without its targets; return its description."""
    with connection.transaction():
        found = own(connection, user, listid)
        visibility.forget(connection, "target_list", listid)
        connection.execute("DELETE FROM access.target_lists WHERE listid = %s", (listid,))
    return found


def search(
    connection: Connection, reader: Reader, *, listid: int | None = None, targetid: int | None = None
) -> list[TargetList]:
    """Lists that a reader may see, by owner and name: all, one, or those that contain a target."""
    query = sql.SQL(
        "SELECT listid, owner, name, description, public, created,"
        " (SELECT count(*) FROM access.target_members AS inside"
        " JOIN access.targets AS target USING (targetid)"
        " WHERE inside.listid = list.listid AND {target}) AS targets"
        " FROM access.target_lists AS list WHERE {readable} AND (%(listid)s::bigint IS NULL OR listid = %(listid)s)"
        " AND (%(targetid)s::bigint IS NULL OR EXISTS (SELECT FROM access.target_members AS inside"
        " WHERE inside.listid = list.listid AND inside.targetid = %(targetid)s)) ORDER BY owner, lower(name)"
    ).format(
        target=sql.SQL(TARGET_READABLE.replace("list.", "around.").replace("AS list", "AS around")),
        readable=sql.SQL(LIST_READABLE),
    )
    with connection.cursor(row_factory=class_row(TargetList)) as cursor:
        return cursor.execute(query, {"listid": listid, "targetid": targetid} | reader.parameters).fetchall()


def get(connection: Connection, reader: Reader, listid: int) -> TargetList:
    """A list.

    Raises
    ------
    UnknownList
        If there is none, or the reader may not see it.
    """
    for found in search(connection, reader, listid=listid):
        return found
    raise UnknownList(f"there is no list {listid} of targets, or it is neither public nor yours")


def own(connection: Connection, user: Reader, listid: int) -> TargetList:
    """A list that an account may change.

    Raises
    ------
    UnknownList, NotTheOwner
        If it does not belong to the account.
    """
    found = get(connection, user, listid)
    if found.owner != user.name and not (user.everything and not user.name):
        raise NotTheOwner(f"list {listid} belongs to {found.owner}")
    return found


def _checked(name: str, description: str) -> tuple[str, str]:
    name, description = " ".join(name.split()), description.strip()
    if not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        raise BadTarget(f"name: write from 1 to {LONGEST_NAME} characters")
    if len(description) > LONGEST_TEXT or "\0" in description:
        raise BadTarget(f"description: at most {LONGEST_TEXT:,} characters")
    return name, description

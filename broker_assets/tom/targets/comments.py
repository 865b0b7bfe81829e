"""Comments on targets: everybody who may see a target can read and write them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from broker_assets.access.refusals import NotTheOwner
from broker_assets.tom.targets.fields import BadTarget
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import get, held

Connection = psycopg.Connection[Any]
LONGEST: Final = 10_000
"""Longest comment, characters."""


@dataclass(frozen=True)
class Comment:
    """A comment."""

    commentid: int
    author: str
    body: str
    at: datetime.datetime


def write(connection: Connection, author: Reader, number: int, body: str) -> int:
    """Write a comment on a target that the account may see; returns its number.

    Raises
    ------
    UnknownTarget
        If the account may not see the target.
    BadTarget
        If the comment is empty or too long.
    """
    text = body.replace("\r\n", "\n").strip()
    if not text or len(text) > LONGEST or "\0" in text:
        raise BadTarget(f"comment: write from 1 to {LONGEST:,} characters")
    with connection.transaction():
        held(connection, author, number)
        row = connection.execute(
            "INSERT INTO access.target_comments (targetid, author, body) VALUES (%s, %s, %s) RETURNING commentid",
            (number, author.name, text),
        ).fetchone()
    return int(row[0]) if row is not None else 0


def remove(connection: Connection, user: Reader, number: int, commentid: int) -> None:
    """Remove a comment: its author and the owner of the target may; nothing happens if it does not exist.

    Raises
    ------
    UnknownTarget, NotTheOwner
        If the account may not remove it.
    """
    with connection.transaction():
        target = get(connection, user, number)
        row = connection.execute(
            "SELECT author FROM access.target_comments WHERE commentid = %s AND targetid = %s FOR UPDATE",
            (commentid, number),
        ).fetchone()
        if row is None:
            return
        if user.name not in (row[0], target.owner):
            raise NotTheOwner(f"comment {commentid} was written by {row[0]}")
        connection.execute("DELETE FROM access.target_comments WHERE commentid = %s", (commentid,))


def of_target(connection: Connection, number: int) -> list[Comment]:
    """Comments on a target, the oldest first."""
    with connection.cursor(row_factory=class_row(Comment)) as cursor:
        return cursor.execute(
            "SELECT commentid, author, body, at FROM access.target_comments WHERE targetid = %s ORDER BY commentid",
            (number,),
        ).fetchall()

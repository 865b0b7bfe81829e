"""Who may read what an account owns: only the owner, the groups that it is shared with, or everybody.

The tables of filters, watchlists, areas and annotators record the owner and whether each is public; the groups with
which each is shared are in `sharing`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import psycopg

from broker_assets.access import sharing
from broker_assets.access.accounts import User
from broker_assets.access.sharing import Kind

Connection = psycopg.Connection[Any]
Audience = Literal["owner", "group", "public"]

PLATFORM: Final = "system"
"""Owner of what the platform makes itself, which everybody may read and nobody may change."""


class Owned(Protocol):
    """A filter, list or annotator."""

    @property
    def owner(self) -> str:
        """Name of the account."""
        ...

    @property
    def public(self) -> bool:
        """Whether everybody may read it."""
        ...


@dataclass(frozen=True)
class Visibility:
    """Who may read a thing besides its owner."""

    public: bool
    groups: tuple[str, ...]

    @property
    def audience(self) -> Audience:
        """Who may read it, in one word."""
        return "public" if self.public else "group" if self.groups else "owner"

    @property
    def shown(self) -> str:
        """The same, as users read it."""
        words = {"public": "everybody", "group": f"group {', '.join(self.groups)}", "owner": "its owner"}
        return words[self.audience]


def may_read(connection: Connection, user: User | None, kind: Kind, identifier: int | str, thing: Owned) -> bool:
    """Whether an account, or a guest (None), may read a thing; administrators may read all."""
    if thing.public or thing.owner == PLATFORM:
        return True
    if user is None:
        return False
    return thing.owner == user.username or user.administers or str(identifier) in shared(connection, user, kind)


def may_change(user: User | None, thing: Owned) -> bool:
    """Whether an account may change a thing: only its owner may, and nobody if the platform owns it."""
    return user is not None and thing.owner == user.username and thing.owner != PLATFORM


def shared(connection: Connection, user: User, kind: Kind) -> set[str]:
    """Return the things of a kind that are shared with a group of an account: their numbers as texts, or topics."""
    rows = connection.execute(
        "SELECT DISTINCT identifier FROM access.shares JOIN access.memberships USING (groupid)"
        " WHERE kind = %s AND userid = %s",
        (kind, user.userid),
    )
    return {row[0] for row in rows}


def readable_sql(owned: str, identifier: str) -> str:
    """Return the SQL condition that the viewer may read a thing, with the parameters of `reader`.

    Parameters
    ----------
    owned : str
        Alias of the table of the things.
    identifier : str
        SQL expression of their number as text, or of their topic.

    Examples
    --------
    >>> readable_sql("list", "topic")
    "(%(all)s OR list.public OR list.owner IN ('system', %(viewer)s) OR topic = ANY(%(shared)s))"
    """
    return (
        f"(%(all)s OR {owned}.public OR {owned}.owner IN ('{PLATFORM}', %(viewer)s) OR {identifier} = ANY(%(shared)s))"
    )


def reader(viewer: str | None, shared: Collection[str], *, everything: bool) -> dict[str, Any]:
    """Parameters of `readable_sql`: viewer (None: a guest), what is shared with them, whether they see everything."""
    return {"viewer": viewer or "", "shared": sorted(shared), "all": everything}


def of_thing(connection: Connection, kind: Kind, identifier: int | str, thing: Owned) -> Visibility:
    """Who may read a thing besides its owner."""
    return Visibility(thing.public, tuple(sharing.groups_of(connection, kind, str(identifier))))


def forget(connection: Connection, kind: Kind, identifier: int | str) -> None:
    """Forget with whom a thing was shared, in the transaction that removes it.

    Call it before the rows of the thing are locked: `share` takes the locks in the same order.
    """
    sharing.lock_sharing(connection, kind, identifier)
    connection.execute("DELETE FROM access.shares WHERE kind = %s AND identifier = %s", (kind, str(identifier)))

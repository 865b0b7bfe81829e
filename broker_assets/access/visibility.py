"""Who may read what an account owns: nobody else, the groups that it is shared with, or everybody.

Filters, watchlists, areas and annotators have the name of their owner and whether they are public in their own tables;
with which groups one is shared is in `sharing`.
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
"""Owner of what the platform makes itself, which all may read and nobody changes."""


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
        """In one word."""
        return "public" if self.public else "group" if self.groups else "owner"

    @property
    def shown(self) -> str:
        """For people."""
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
    """Whether an account may change a thing: only its owner may, and nobody what is the platform's."""
    return user is not None and thing.owner == user.username and thing.owner != PLATFORM


def shared(connection: Connection, user: User, kind: Kind) -> set[str]:
    """Things of a kind that are shared with a group of an account: numbers as texts, or topics."""
    rows = connection.execute(
        "SELECT DISTINCT identifier FROM access.shares JOIN access.memberships USING (groupid)"
        " WHERE kind = %s AND userid = %s",
        (kind, user.userid),
    )
    return {row[0] for row in rows}


def readable_sql(owned: str, identifier: str) -> str:
    """The condition of a query that things may be read by who asks, with the parameters of `reader`.

    Parameters
    ----------
    owned : str
        Alias of the table of the things.
    identifier : str
        Their number as text, or their topic, as an expression.

    Examples
    --------
    >>> readable_sql("list", "topic")
    "(%(all)s OR list.public OR list.owner IN ('system', %(viewer)s) OR topic = ANY(%(shared)s))"
    """
    return (
        f"(%(all)s OR {owned}.public OR {owned}.owner IN ('{PLATFORM}', %(viewer)s) OR {identifier} = ANY(%(shared)s))"
    )


def reader(viewer: str | None, shared: Collection[str], *, everything: bool) -> dict[str, Any]:
    """The parameters of `readable_sql`: who asks (None: a guest), what is shared with them, whether all may be seen."""
    return {"viewer": viewer or "", "shared": sorted(shared), "all": everything}


def of_thing(connection: Connection, kind: Kind, identifier: int | str, thing: Owned) -> Visibility:
    """Who may read a thing besides its owner."""
    return Visibility(thing.public, tuple(sharing.groups_of(connection, kind, str(identifier))))


def forget(connection: Connection, kind: Kind, identifier: int | str) -> None:
    """Forget with whom a thing that is removed was shared, in the transaction that removes it.

    It comes before the rows of the thing are locked: who shares it takes the locks in that order too.
    """
    sharing.lock_sharing(connection, kind, identifier)
    connection.execute("DELETE FROM access.shares WHERE kind = %s AND identifier = %s", (kind, str(identifier)))

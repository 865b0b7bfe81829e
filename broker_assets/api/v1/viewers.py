"""Who asks: a guest, who sees what is public, or an account, which also sees what it owns and what is shared with it.

`access.visibility` decides what may be read. A request with an invalid token is refused, never treated as a guest's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import psycopg
from fastapi import Depends, Request

from broker_assets.access import changes
from broker_assets.access.accounts import User
from broker_assets.access.sharing import Kind
from broker_assets.access.visibility import PLATFORM, Owned, shared
from broker_assets.api.authentication import SESSION, NotAuthenticatedError, accounts_of, caller
from broker_assets.api.connections import database
from broker_assets.settings.access import AccessSettings

Database = Annotated[psycopg.Connection[Any], Depends(database)]
"""The read-only connection of a request."""
_Thing = TypeVar("_Thing", bound=Owned)


@dataclass
class Viewer:
    """Who asks."""

    user: User | None
    """None: a guest."""
    rows: int
    """Most rows of an answer."""
    request: Request | None = None
    _shared: dict[str, set[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the account; empty for a guest: no account has that name."""
        return self.user.username if self.user is not None else ""

    @property
    def sees_all(self) -> bool:
        """Whether the account is an administrator's."""
        return self.user is not None and self.user.administers

    def sees(self, kind: Kind, identifier: int | str, thing: Owned) -> bool:
        """Whether the viewer may know of a filter, list or annotator."""
        if thing.public or thing.owner == PLATFORM or self.sees_all:
            return True
        if self.user is None:
            return False
        return thing.owner == self.user.username or str(identifier) in self._shared_with(kind)

    def visible(self, kind: Kind, things: Iterable[_Thing], key: Callable[[_Thing], int | str]) -> list[_Thing]:
        """The things that the viewer may know of."""
        return [thing for thing in things if self.sees(kind, key(thing), thing)]

    def _shared_with(self, kind: Kind) -> set[str]:
        if kind not in self._shared:
            self._shared[kind] = set()
            if self.user is not None and self.request is not None:
                with accounts_of(self.request) as connection:
                    self._shared[kind] = shared(connection, self.user, kind)
        return self._shared[kind]


@contextmanager
def changing(request: Request, writer: Viewer, action: str, subject: int | str = "") -> Iterator[_Change]:
    """A connection for a change and its entry in the record of changes, in one transaction.

    Parameters
    ----------
    request, writer : Request, Viewer
        The request, and the account that changes something.
    action : str
        What is done, for example `filter saved`.
    subject : int or str
        What is changed; for a new thing, its number is set later, in the block.
    """
    with accounts_of(request) as connection, connection.transaction():
        found = _Change(connection, str(subject))
        yield found
        changes.record(connection, writer.user.userid if writer.user is not None else None, action, found.subject)


@dataclass
class _Change:
    """A change that is being made."""

    connection: psycopg.Connection[Any]
    subject: str


def _viewer(request: Request) -> Viewer:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    settings: AccessSettings = request.app.state.access
    has_token = kind.lower() == "token" and bool(given.strip())
    if not has_token and not request.cookies.get(SESSION):
        return Viewer(None, settings.rows)
    try:
        found = caller(request)
    except NotAuthenticatedError:
        if has_token:
            raise
        return Viewer(None, settings.rows)  # the session of the browser has ended
    return Viewer(found.user, found.rows, request)


def _account(request: Request) -> Viewer:
    found = caller(request)
    return Viewer(found.user, found.rows, request)


def _writer(request: Request) -> Viewer:
    found = caller(request, writing=True)
    return Viewer(found.user, found.rows, request)


Anybody = Annotated[Viewer, Depends(_viewer)]
"""Who asks, with an account or without."""
Account = Annotated[Viewer, Depends(_account)]
"""An account that asks."""
Writer = Annotated[Viewer, Depends(_writer)]
"""An account that is going to change something."""

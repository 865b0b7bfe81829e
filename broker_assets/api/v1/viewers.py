"""Who asks: a guest, who sees what is public, or an account, which also sees what it owns or shares with a group.

What may be read is decided by `access.visibility`. A request with a token that is not valid is refused; it is never
taken for one of a guest.
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
"""The connection of a request: it reads."""
_Thing = TypeVar("_Thing", bound=Owned)


@dataclass
class Viewer:
    """Who asks."""

    user: User | None
    """None: a guest."""
    rows: int
    """Rows of an answer, at most."""
    request: Request | None = None
    _shared: dict[str, set[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the account; empty for a guest: no account has that name."""
        return self.user.username if self.user is not None else ""

    @property
    def sees_all(self) -> bool:
        """Whether it is an administrator."""
        return self.user is not None and self.user.administers

    def sees(self, kind: Kind, identifier: int | str, thing: Owned) -> bool:
        """Whether it may know of a filter, list or annotator."""
        if thing.public or thing.owner == PLATFORM or self.sees_all:
            return True
        if self.user is None:
            return False
        return thing.owner == self.user.username or str(identifier) in self._shared_with(kind)

    def visible(self, kind: Kind, things: Iterable[_Thing], key: Callable[[_Thing], int | str]) -> list[_Thing]:
        """Those that it may know of."""
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
        Who changes something.
    action : str
        What is done, as `filter saved`.
    subject : int or str
        To what; it may be set on the way, for what is made.
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
        return Viewer(None, settings.rows)  # the session of a browser has ended
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
"""An account that is about to change something."""

"""Who asks: nobody in particular, who sees what is public, or an account, which also sees what is its own.

Operators see everything. A request with a token that is not valid is refused; it is never taken for one of nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Request

from broker_assets.access.accounts import User
from broker_assets.api.authentication import SESSION, NotAuthenticatedError, caller
from broker_assets.api.connections import database
from broker_assets.settings import AccessSettings

Database = Annotated[psycopg.Connection[Any], Depends(database)]
"""The connection of a request: it reads."""


@dataclass(frozen=True)
class Viewer:
    """Who asks."""

    user: User | None
    """None: nobody in particular."""
    rows: int
    """Rows of an answer, at most."""

    @property
    def name(self) -> str:
        """Name of the account; empty for nobody: no account has that name."""
        return self.user.username if self.user is not None else ""

    @property
    def sees_all(self) -> bool:
        """Whether it is an operator."""
        return self.user is not None and self.user.operates

    def sees(self, owner: str, public: bool) -> bool:
        """Whether it may know of what an owner has."""
        return public or self.sees_all or (self.user is not None and owner == self.user.username)


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
    return Viewer(found.user, found.rows)


def _account(request: Request) -> Viewer:
    found = caller(request)
    return Viewer(found.user, found.rows)


def _writer(request: Request) -> Viewer:
    found = caller(request, writing=True)
    return Viewer(found.user, found.rows)


Anybody = Annotated[Viewer, Depends(_viewer)]
"""Who asks, with an account or without."""
Account = Annotated[Viewer, Depends(_account)]
"""An account that asks."""
Writer = Annotated[Viewer, Depends(_writer)]
"""An account that is about to change something."""

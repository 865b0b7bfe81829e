"""Who makes a request: the token that it carries, and how many requests its account may make.

A token is in the header `Authorization: Token …` or, where a client can set no header, in the parameter `token`.
Without a token the session of a browser counts; requests of a session that change something must repeat its CSRF token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from fastapi import Request

from broker_assets.access import requests, sessions, tokens
from broker_assets.access.accounts import User
from broker_assets.access.sessions import Session
from broker_assets.api.conflicts import aside
from broker_assets.api.connections import Connections
from broker_assets.settings.access import AccessSettings

NO_TOKEN: Final = "Authentication credentials were not provided."  # noqa: S105
SESSION: Final = "sessionid"
"""Cookie of a session."""
CSRF: Final = "csrftoken"
"""Cookie with the CSRF token that requests of a session repeat."""
BAD_TOKEN: Final = "Invalid token."  # noqa: S105


class NotAuthenticatedError(PermissionError):
    """The request has no token, or none that is valid."""


class ReadOnlyTokenError(PermissionError):
    """The token may only read, or the request of a session may be forged."""


@dataclass(frozen=True)
class Caller:
    """Whose request it is, and what it may do."""

    user: User
    writes: bool
    """Whether its token may change things."""
    rows: int
    """Most rows of an answer."""


@contextmanager
def accounts_of(request: Request) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the accounts."""
    connections: Connections = request.app.state.accounts
    with connections.use() as connection:
        yield connection


def address_of(request: Request) -> str:
    """Network address of a request, for counting guesses."""
    return request.client.host if request.client is not None else ""


def session_of(request: Request) -> Session | None:
    """The session of a request; None without one."""
    cookie = request.cookies.get(SESSION)
    if not cookie:
        return None
    with accounts_of(request) as connection:
        return sessions.find(connection, cookie)


def caller(request: Request, parameter: str | None = None, *, writing: bool = False) -> Caller:
    """Recognise the account of a request, and count the request.

    Parameters
    ----------
    request : Request
        Its header takes precedence over `parameter`.
    parameter : str, optional
        Value of the parameter `token`.
    writing : bool
        Whether the request is going to change something.

    Raises
    ------
    NotAuthenticatedError
        If there is no valid token.
    ReadOnlyTokenError
        If it is going to change something and may not.
    TooManyRequests
        If the account has made as many requests in the last hour as it may.
    """
    user, writes, why_not = recognised(request, parameter)
    if writing and not writes:
        raise ReadOnlyTokenError(why_not)
    settings: AccessSettings = request.app.state.access
    more = user.has_more
    # A request that is repeated because of a conflict counts twice.
    with accounts_of(request) as connection, aside():
        requests.count(connection, user.userid, settings.requests_power if more else settings.requests)
    return Caller(user, writes, settings.rows_power if more else settings.rows)


def recognised(request: Request, parameter: str | None = None, *, forgeable: bool = False) -> tuple[User, bool, str]:
    """The account of a request, without counting it.

    Parameters
    ----------
    request, parameter
        See `caller`.
    forgeable : bool
        Whether a session may write without repeating its CSRF token, because another check covers where the request
        comes from.

    Returns
    -------
    user : User
        The account.
    writes : bool
        Whether the request may change something.
    reason : str
        Why it may not; empty if it may.

    Raises
    ------
    NotAuthenticatedError
        If there is no valid token and no session.
    """
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    token = given.strip() if kind.lower() == "token" else (parameter or "").strip()
    cookie = request.cookies.get(SESSION, "")
    if not token and not cookie:
        raise NotAuthenticatedError(NO_TOKEN)
    with accounts_of(request) as connection:
        if token:
            bearer = tokens.bearer(connection, token)
            if bearer is None:
                raise NotAuthenticatedError(BAD_TOKEN)
            user, writes = bearer.user, bearer.scope == "write"
            reason = "the token may only read; make one that may write"
        else:
            session = sessions.find(connection, cookie)
            if session is None:
                raise NotAuthenticatedError(NO_TOKEN)
            user = session.user
            writes = forgeable or sessions.repeats(request.headers.get("x-csrftoken"), session.csrf)
            reason = "CSRF Failed: the header X-CSRFToken must repeat the cookie csrftoken"
    if user.is_guest:
        return user, False, "guests may only read; log in with an account of your own"
    return user, writes, reason

"""Who is admitted: a session, or a token.

Clients send no CSRF token. What protects a session is that a body must be JSON by its content type, which a page of
another site cannot send without permission, and that requests with the `Origin` of another site are refused before they
arrive here (`web_guard`).
"""

from __future__ import annotations

from fastapi import Request

from broker_assets.access.accounts import User
from broker_assets.api.authentication import NotAuthenticatedError, recognised
from broker_assets.api.fastdb.answers import FastdbError


def admitted(request: Request, *, writing: bool = False) -> User:
    """The account that makes a request.

    Parameters
    ----------
    request : Request
        The request.
    writing : bool
        Whether it changes something: a read-only token, or a guest, is then refused.

    Raises
    ------
    FastdbError
        If it is not admitted.
    """
    try:
        user, writes, reason = recognised(request, forgeable=True)
    except NotAuthenticatedError:
        raise FastdbError("Not logged in") from None
    if writing and not writes:
        raise FastdbError(reason)
    return user

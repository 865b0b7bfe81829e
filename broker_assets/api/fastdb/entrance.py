"""Who may come in: a session, or a token.

Clients repeat no value against forgery. What protects a session is that a body must be JSON by its content type, which
a page of another site cannot send without being allowed to, and that requests with the `Origin` of another site are
refused before they arrive here (`web_guard`).
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
        Whether it changes something: then a token must be one that may write, and guests may not.

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

"""Who is admitted, and how others are answered: with a refusal, the log-in page, or JSON, as in the original.

A token, or the session of a browser, is accepted everywhere; for the tables, user name and password too. A session
repeats its CSRF token in the header `X-CSRFToken` whenever the method is not one that only reads.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, Literal
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import accounts, permissions, sessions
from broker_assets.access.accounts import User, WrongPassword
from broker_assets.access.guesses import TooManyGuesses
from broker_assets.api.authentication import (
    NO_TOKEN,
    NotAuthenticatedError,
    accounts_of,
    address_of,
    recognised,
    session_of,
)
from broker_assets.api.documents import Document
from broker_assets.api.login import forged
from broker_assets.api.tom.answers import RefusedError
from broker_assets.web_guard import READING

Otherwise = Literal["forbidden", "login", "json"]
"""Answer to users who are not logged in."""

_FORBIDDEN: Final = "<!doctype html><title>403 Forbidden</title><h1>403 Forbidden</h1><p>{}</p>"
_BARE: Final = {"Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"}


def forbidden(reason: str = "Log in first.") -> Response:
    """The page that refuses a request."""
    return HTMLResponse(_FORBIDDEN.format(reason), 403, _BARE)


def admitted(request: Request, otherwise: Otherwise = "forbidden", *, writing: bool = False) -> User:
    """The account that makes a request.

    Parameters
    ----------
    request : Request
        The request.
    otherwise : str
        Answer if nobody is logged in.
    writing : bool
        Whether the request changes something: a read-only token, or a guest, is then refused.

    Raises
    ------
    RefusedError
        If it is not admitted.
    """
    header = request.headers.get("authorization", "")
    if otherwise == "json" and header.lower().startswith("basic "):
        return _by_password(request, header[6:])
    unsafe = request.method not in READING
    if unsafe and not header and not _repeats(request):
        raise RefusedError(forged(request))
    try:
        user, writes, reason = recognised(request)
    except NotAuthenticatedError as error:
        if otherwise == "json":
            raise RefusedError(_unauthorised(str(error))) from None
        if otherwise == "login" and not unsafe:
            onward = quote(f"{request.url.path}?{request.url.query}".removesuffix("?"), safe="/")
            answer = RedirectResponse(f"/accounts/login/?next={onward}", 302)
            answer.headers["Content-Type"] = "text/html; charset=utf-8"
            raise RefusedError(answer) from None
        raise RefusedError(forbidden(str(error))) from None
    if writing and not writes:
        raise RefusedError(forbidden(reason))
    return user


def needs(request: Request, user: User, permission: str) -> None:
    """Refuse an account that lacks a permission; see `permissions.may`.

    Raises
    ------
    RefusedError
        If the account lacks it.
    """
    with accounts_of(request) as connection:
        allowed = permissions.may(connection, user, permission)
    if not allowed:
        raise RefusedError(forbidden(f"This needs the right {permission}, which is granted by a group."))


def _repeats(request: Request) -> bool:
    session = session_of(request)
    return session is not None and sessions.repeats(request.headers.get("x-csrftoken"), session.csrf)


def _unauthorised(reason: str) -> Response:
    return Document({"detail": reason}, 401, headers={"WWW-Authenticate": "Token"})


def _by_password(request: Request, given: str) -> User:
    try:
        name, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise RefusedError(_unauthorised("Invalid basic header.")) from None
    with accounts_of(request) as connection:
        try:
            return accounts.log_in(connection, name, password, address_of(request))
        except WrongPassword:
            raise RefusedError(_unauthorised("Invalid username/password.")) from None
        except TooManyGuesses as error:
            headers = {"Retry-After": str(error.seconds)}
            raise RefusedError(Document({"detail": str(error)}, 429, headers=headers)) from None


__all__ = ["NO_TOKEN", "Otherwise", "admitted", "forbidden", "needs"]

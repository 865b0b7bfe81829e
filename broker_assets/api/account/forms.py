"""Who may see a page and send its form: a logged-in session, with a CSRF token, and a role."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from broker_assets.access import accounts, sessions
from broker_assets.access.accounts import User, WrongPassword
from broker_assets.access.guesses import TooManyGuesses
from broker_assets.access.sessions import Session
from broker_assets.api.authentication import CSRF, accounts_of, address_of, session_of
from broker_assets.api.login import set_cookie
from broker_assets.sentences import sentence

_YEAR: Final = 31_449_600


class NotLoggedInError(PermissionError):
    """The page is for logged-in users."""


class ForgedError(PermissionError):
    """The form does not repeat the CSRF token of its session: another site may have sent it."""


class MayNotError(PermissionError):
    """The account may not do this; the message says what it would need."""


def signed_in(request: Request) -> Session:
    """The session of a request.

    Raises
    ------
    NotLoggedInError
        If there is none.
    """
    session = session_of(request)
    if session is None:
        raise NotLoggedInError
    return session


def changing(request: Request, given: Mapping[str, Any]) -> Session:
    """The session of a form that is about to change something.

    Raises
    ------
    NotLoggedInError, ForgedError
        If there is no session, or the form does not repeat its CSRF token.
    MayNotError
        If the account is a guest's.
    """
    session = signed_in(request)
    if not _repeats(request, given, session.csrf):
        raise ForgedError
    if session.user.is_guest:
        raise MayNotError("Guests may only read. Ask an administrator for an account of your own.")
    return session


def administrating(request: Request, given: Mapping[str, Any] | None = None) -> Session:
    """The session of an administrator; `given` is the form, if something is about to be changed.

    Raises
    ------
    NotLoggedInError, ForgedError, MayNotError
        See `changing`; the last also without the role.
    """
    session = signed_in(request) if given is None else changing(request, given)
    if not session.user.administers:
        raise MayNotError("Only administrators see this page.")
    return session


def csrf_before(request: Request) -> str:
    """The CSRF token of forms before anybody is logged in; `remember` gives it to the browser."""
    session = session_of(request)
    return session.csrf if session is not None else request.cookies.get(CSRF) or secrets.token_hex(16)


def remember(answer: Response, request: Request, csrf: str) -> Response:
    """Give a browser the CSRF token that its next form repeats."""
    set_cookie(answer, request, CSRF, csrf, _YEAR, script=True)
    return answer


def check_before(request: Request, given: Mapping[str, Any]) -> str:
    """The CSRF token of a form that is sent before anybody is logged in.

    Raises
    ------
    ForgedError
        If it does not repeat the cookie.
    """
    wanted = request.cookies.get(CSRF)
    if not _repeats(request, given, wanted):
        raise ForgedError
    return str(wanted)


def password_problem(request: Request, user: User, password: str) -> str:
    """What is wrong with the password that confirms a change; empty if it is right. Guesses are counted."""
    try:
        with accounts_of(request) as connection:
            accounts.log_in(connection, user.username, password, address_of(request))
    except WrongPassword:
        return "The current password is wrong."
    except TooManyGuesses as error:
        return sentence(error)
    return ""


def text(given: Mapping[str, Any], name: str, most: int = 1024) -> str:
    """A text of a form; empty if it is not a text, or longer than `most`."""
    value = given.get(name, "")
    return value if isinstance(value, str) and len(value) <= most and "\x00" not in value else ""


def _repeats(request: Request, given: Mapping[str, Any], wanted: str | None) -> bool:
    return sessions.repeats(given.get("csrfmiddlewaretoken") or request.headers.get("x-csrftoken"), wanted)

"""Logging in and out, for browsers and for programs that imitate them: the dialogue of Django's log-in.

`GET /accounts/login/` sets the cookie `csrftoken`; the form repeats it as `csrfmiddlewaretoken`. A log-in sets the
cookie `sessionid` and a new `csrftoken`, which requests that change something repeat in the header `X-CSRFToken`.
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import accounts, sessions
from broker_assets.access.accounts import WrongPassword
from broker_assets.access.guesses import TooManyGuesses
from broker_assets.access.sessions import Session
from broker_assets.api.authentication import CSRF, SESSION, accounts_of, address_of, session_of
from broker_assets.api.parameters import Parameters
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence
from broker_assets.settings.access import AccessSettings

router = APIRouter(prefix="/accounts", tags=["accounts"])

_YEAR: Final = 31_449_600
"""Seconds (52 weeks) for which browsers keep the CSRF token."""
_BARE: Final = {"Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"}
WRONG: Final = "Please enter a correct username and password. Both are sensitive to case in the password."


@router.get("/login/", response_class=HTMLResponse)
def log_in_page(request: Request) -> Response:
    """The log-in form; for logged-in users, the account."""
    session = session_of(request)
    csrf = session.csrf if session is not None else request.cookies.get(CSRF) or secrets.token_hex(16)
    answer = _page(request, csrf, session=session, onward=request.query_params.get("next", ""))
    set_cookie(answer, request, CSRF, csrf, _YEAR, script=True)
    return answer


@router.post("/login/", response_class=HTMLResponse)
def log_in(request: Request, given: Parameters) -> Response:
    """Begin a session; a wrong password is answered with the form, a message, and status 200."""
    if not sessions.repeats(
        given.get("csrfmiddlewaretoken") or request.headers.get("x-csrftoken"), request.cookies.get(CSRF)
    ):
        return forged(request)
    address = address_of(request)
    name, onward = str(given.get("username", "")), str(given.get("next", ""))
    with accounts_of(request) as connection:
        try:
            user = accounts.log_in(connection, name, str(given.get("password", "")), address)
        except WrongPassword:
            return _page(request, request.cookies[CSRF], said=WRONG, onward=onward)
        except TooManyGuesses as error:
            answer = _page(request, request.cookies[CSRF], said=sentence(error), onward=onward, status=429)
            answer.headers["Retry-After"] = str(error.seconds)
            return answer
        sessions.end(connection, request.cookies.get(SESSION, ""))
        cookie, csrf = sessions.begin(connection, user)
    answer = RedirectResponse(local(onward), 302)
    set_cookie(answer, request, SESSION, cookie, sessions.IDLE_DAYS * 86_400)
    set_cookie(answer, request, CSRF, csrf, _YEAR, script=True)
    return answer


@router.post("/logout/", response_class=HTMLResponse)
def log_out(request: Request, given: Parameters) -> Response:
    """End the session."""
    session = session_of(request)
    if session is not None:
        if not sessions.repeats(given.get("csrfmiddlewaretoken") or request.headers.get("x-csrftoken"), session.csrf):
            return forged(request)
        with accounts_of(request) as connection:
            sessions.end(connection, request.cookies[SESSION])
    answer = RedirectResponse("/accounts/login/", 302)
    answer.delete_cookie(SESSION, path="/")
    return answer


def local(onward: str) -> str:
    """The page of this server to go to after the log-in; never a page of another server.

    Examples
    --------
    >>> [local(text) for text in ("/objects/7/", "", "https://evil.example/", "//evil.example")]
    ['/objects/7/', '/', '/', '/']
    """
    if not onward.startswith("/") or onward.startswith(("//", "/\\")) or not onward.isprintable() or "\\" in onward:
        return "/"
    parts = urlsplit(onward)
    return onward if not parts.scheme and not parts.netloc else "/"


def forged(request: Request) -> Response:
    """The answer to a request that does not repeat the CSRF token of its session."""
    text = "403 Forbidden: the request does not repeat the value of the cookie csrftoken. Load the page again."
    return HTMLResponse(f"<!doctype html><title>403 Forbidden</title><p>{text}</p>", 403, _BARE)


def _page(
    request: Request, csrf: str, *, session: Session | None = None, said: str = "", onward: str = "", status: int = 200
) -> Response:
    user = session.user if session is not None else None
    access: AccessSettings = request.app.state.access
    return page(
        request, "login.html", status, csrf=csrf, user=user, said=said, next=local(onward),
        registration=access.registration, provider=access.openid.name if access.openid.issuer is not None else "",
    )  # fmt: skip


def set_cookie(answer: Response, request: Request, name: str, value: str, age: int, *, script: bool = False) -> None:
    """Set a cookie for the whole site; if it is set over HTTPS, it is never sent over plain HTTP."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    answer.set_cookie(name, value, max_age=age, path="/", samesite="lax", httponly=not script, secure=scheme == "https")

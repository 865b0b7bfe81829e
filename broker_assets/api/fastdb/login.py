"""The log-in of FASTDB's client, by a challenge; see `access.challenges`.

It makes a session like that of the log-in page, with the same cookie.
"""

from __future__ import annotations

import uuid
from hashlib import md5
from typing import Any, Final

import psycopg
from fastapi import Request
from fastapi.responses import Response

from broker_assets.access import accounts, challenges, sessions
from broker_assets.access.accounts import User, WrongPassword
from broker_assets.access.guesses import TooManyGuesses
from broker_assets.access.signing import Signer
from broker_assets.api.authentication import CSRF, SESSION, accounts_of, address_of, session_of
from broker_assets.api.fastdb.answers import FastdbError, Given, Json, required
from broker_assets.api.login import set_cookie
from broker_assets.sentences import sentence
from broker_assets.settings.access import AccessSettings

COOKIE: Final = "fastdbchallenge"
"""Cookie that identifies who asked for a challenge."""
OFF: Final = "log-in by a challenge is off at this server: use a token, or the log-in page"
_YEAR: Final = 31_449_600


def uuid_of(user: User) -> uuid.UUID:
    """The identifier that FASTDB's tables have for an account.

    It is that of the function `fastdb_user` of the database.
    """
    return uuid.UUID(md5(f"account {user.userid}".encode(), usedforsecurity=False).hexdigest())


def get_challenge(request: Request, given: Given) -> Response:
    """Give the encrypted key of an account, and the challenge."""
    access: AccessSettings = request.app.state.access
    if not access.challenge_login:
        raise FastdbError(OFF)
    required(given, ["username"])
    name = _text(given, "username")
    signer: Signer = request.app.state.signer
    with accounts_of(request) as connection:
        try:
            found = challenges.ask(
                connection, name, address_of(request), lambda asked: signer.sign("challenge of nobody", asked)
            )
        except TooManyGuesses as error:
            raise FastdbError(sentence(error)) from None
    answer = Json(
        {
            "username": name,
            "privkey": found.pair.private,
            "salt": found.pair.salt,
            "iv": found.pair.iv,
            "challenge": found.encrypted,
        }
    )
    set_cookie(answer, request, COOKIE, found.cookie, challenges.SECONDS)
    return answer


def respond(request: Request, given: Given) -> Response:
    """Begin a session if the answer is right."""
    access: AccessSettings = request.app.state.access
    if not access.challenge_login:
        raise FastdbError(OFF)
    required(given, ["username", "response"])
    name = _text(given, "username")
    with accounts_of(request) as connection:
        try:
            user = challenges.answer(
                connection, request.cookies.get(COOKIE, ""), name, _text(given, "response"), address_of(request)
            )
        except (WrongPassword, TooManyGuesses) as error:
            raise FastdbError(sentence(error)) from None
        sessions.end(connection, request.cookies.get(SESSION, ""))
        cookie, csrf = sessions.begin(connection, user)
        who = _who(connection, user)
    answer = Json({"status": "ok", "message": f"User {name} logged in.", **who, "username": name})
    set_cookie(answer, request, SESSION, cookie, sessions.IDLE_DAYS * 86_400)
    set_cookie(answer, request, CSRF, csrf, _YEAR, script=True)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def is_logged_in(request: Request) -> Response:
    """Whether there is a session, and whose."""
    session = session_of(request)
    if session is None:
        return Json({"status": False})
    with accounts_of(request) as connection:
        return Json({"status": True, **_who(connection, session.user)})


def log_out(request: Request) -> Response:
    """End the session."""
    with accounts_of(request) as connection:
        sessions.end(connection, request.cookies.get(SESSION, ""))
    answer = Json({"status": "Logged out"})
    answer.delete_cookie(SESSION, path="/")
    return answer


def _who(connection: psycopg.Connection[Any], user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "useruuid": str(uuid_of(user)),
        "useremail": user.email,
        "userdisplayname": user.username,
        "usergroups": accounts.groups_of(connection, user.userid),
    }


def _text(given: dict[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not 0 < len(value) <= 150 or "\x00" in value:
        raise FastdbError(f"{name} must be a text of at most 150 characters")
    return value

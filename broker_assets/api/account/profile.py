"""The page of the user's own account: tokens, password, address, quotas and use, export, and deletion."""

from __future__ import annotations

import datetime
import json
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import accounts, requests, sessions, tokens
from broker_assets.access import quotas as limits
from broker_assets.access.accounts import BadAccount, User
from broker_assets.access.passwords import BadPassword
from broker_assets.access.tokens import BadToken
from broker_assets.api.account.forms import changing, password_problem, remember, signed_in, text
from broker_assets.api.authentication import SESSION, accounts_of
from broker_assets.api.login import set_cookie
from broker_assets.api.parameters import Parameters
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence
from broker_assets.settings.access import AccessSettings

router = APIRouter(tags=["accounts"], include_in_schema=False)

DAYS: Final[dict[str, float | None]] = {"30": 30, "90": 90, "365": 365, "never": None}
"""Lifetimes of a token to choose from, days."""
SOON: Final = datetime.timedelta(days=14)
"""Tokens that expire within this time are pointed out."""


@router.get("/profile/", response_class=HTMLResponse)
def profile(request: Request) -> Response:
    """The user's account."""
    return _page(request, signed_in(request).user)


@router.post("/profile/tokens/", response_class=HTMLResponse)
def make_token(request: Request, given: Parameters) -> Response:
    """Create a token and show it, this once."""
    user = changing(request, given).user
    days = text(given, "days") or "365"
    try:
        if days not in DAYS:
            raise BadToken(f"a token ends after {', '.join(DAYS)} days")
        with accounts_of(request) as connection:
            scope = text(given, "scope") or "read"
            made = tokens.create(connection, user, text(given, "name"), scope, days=DAYS[days], by=user.userid)  # type: ignore[arg-type]
    except BadToken as error:
        return _page(request, user, 400, errors={"token": sentence(error)})
    return _page(request, user, made=made, made_name=text(given, "name").strip())


@router.post("/profile/tokens/revoke/", response_class=HTMLResponse)
def revoke_token(request: Request, given: Parameters) -> Response:
    """Revoke one of the user's tokens."""
    user = changing(request, given).user
    try:
        with accounts_of(request) as connection:
            tokens.revoke(connection, user, text(given, "name"), by=user.userid)
    except BadToken as error:
        return _page(request, user, 404, errors={"token": sentence(error)})
    return RedirectResponse("/profile/#tokens", 303)


@router.post("/profile/password/", response_class=HTMLResponse)
def change_password(request: Request, given: Parameters) -> Response:
    """Change the password; all sessions end except a new one of this browser."""
    user = changing(request, given).user
    new = text(given, "new")
    problem = "The two new passwords differ." if new != text(given, "repeated") else ""
    problem = problem or password_problem(request, user, text(given, "current"))
    if not problem:
        try:
            with accounts_of(request) as connection:
                accounts.update(connection, user.username, password=new, by=user.userid)
                cookie, csrf = sessions.begin(connection, user)
        except BadPassword as error:
            problem = sentence(error)
    if problem:
        return _page(request, user, 400, errors={"password": problem})
    answer = RedirectResponse("/profile/?said=password", 303)
    set_cookie(answer, request, SESSION, cookie, sessions.IDLE_DAYS * 86_400)
    return remember(answer, request, csrf)


@router.post("/profile/email/", response_class=HTMLResponse)
def change_email(request: Request, given: Parameters) -> Response:
    """Change the address; links for a forgotten password go there, so the current password is required."""
    user = changing(request, given).user
    problem = password_problem(request, user, text(given, "current"))
    if not problem:
        try:
            with accounts_of(request) as connection:
                accounts.update(connection, user.username, email=text(given, "email").strip(), by=user.userid)
        except BadAccount as error:
            problem = sentence(error)
    if problem:
        return _page(request, user, 400, errors={"email": problem})
    return RedirectResponse("/profile/?said=email", 303)


@router.post("/profile/sessions/", response_class=HTMLResponse)
def end_sessions(request: Request, given: Parameters) -> Response:
    """Log out everywhere."""
    user = changing(request, given).user
    with accounts_of(request) as connection:
        sessions.end_all(connection, user.userid)
    return RedirectResponse("/accounts/login/", 303)


@router.get("/profile/export/")
def export(request: Request) -> Response:
    """All that is stored about the account and what it owns, as a file."""
    from broker_assets.ownership.belongings import export

    user = signed_in(request).user
    with accounts_of(request) as connection:
        document = export(connection, user)
    name = f"{user.username}-{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.json".replace('"', "")
    return Response(
        json.dumps(document, ensure_ascii=False, indent=1),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.post("/profile/delete/", response_class=HTMLResponse)
def delete(request: Request, given: Parameters) -> Response:
    """Delete the account and what it owns."""
    from broker_assets.ownership.removal import remove_account

    user = changing(request, given).user
    problem = "" if text(given, "name") == user.username else "Write the name of the account to confirm."
    problem = problem or password_problem(request, user, text(given, "current"))
    if not problem:
        try:
            with accounts_of(request) as connection:
                remove_account(connection, user, by=user.userid)
        except BadAccount as error:
            problem = sentence(error)
    if problem:
        return _page(request, user, 400, errors={"delete": problem})
    answer = RedirectResponse("/accounts/login/", 303)
    answer.delete_cookie(SESSION, path="/")
    return answer


SAID: Final = {
    "password": "The password is changed; all other sessions have ended.",
    "email": "The address is changed.",
}


def _page(
    request: Request,
    user: User,
    code: int = 200,
    *,
    errors: dict[str, str] | None = None,
    made: str = "",
    made_name: str = "",
) -> Response:
    settings: AccessSettings = request.app.state.access
    now = datetime.datetime.now(datetime.UTC)
    with accounts_of(request) as connection:
        groups = accounts.groups_of(connection, user.userid)
        own = tokens.of_user(connection, user)
        used = requests.made(connection, user.userid)
        limited = limits.of_account(connection, user, settings)
    quotas = [
        ("Requests in the last hour", used, settings.requests_power if user.has_more else settings.requests),
        ("Tokens", len(own), tokens.MOST),
        *((one.what.capitalize(), one.used, one.most) for one in limited),
    ]
    return page(
        request,
        "profile.html",
        code,
        groups=groups,
        tokens=own,
        now=now,
        soon=[one for one in own if one.date_expires is not None and now < one.date_expires < now + SOON],
        quotas=quotas,
        rows=settings.rows_power if user.has_more else settings.rows,
        days=DAYS,
        errors=errors or {},
        made=made,
        made_name=made_name,
        said=SAID.get(request.query_params.get("said", ""), ""),
        email=user.email,
        pages=request.app.state.letters.pages,
    )

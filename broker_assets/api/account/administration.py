"""Pages of administrators: accounts, their roles and groups, and the record of changes."""

from __future__ import annotations

import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import accounts, changes, groups, mailed_links
from broker_assets.access.accounts import ROLES, BadAccount, UnknownAccount, User
from broker_assets.access.refusals import NameTaken
from broker_assets.api.account.forms import administrating, text
from broker_assets.api.authentication import accounts_of, address_of
from broker_assets.api.parameters import Parameters
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence

router = APIRouter(prefix="/admin", tags=["accounts"], include_in_schema=False)

PAGE: Final = 100
"""Entries of the record on a page."""


@router.get("/", response_class=HTMLResponse)
def every(request: Request) -> Response:
    """All accounts."""
    administrating(request)
    return _accounts(request)


@router.post("/", response_class=HTMLResponse)
def add(request: Request, given: Parameters, background: BackgroundTasks) -> Response:
    """Create an account without a password, and send its user a link to set one."""
    by = administrating(request, given).user
    letters = request.app.state.letters
    name, email = text(given, "username", 150).strip(), text(given, "email", 254).strip()
    try:
        if not email:
            raise BadAccount("an address is needed: the link to set a password is sent there")
        with accounts_of(request) as connection, connection.transaction():
            user = accounts.add_with_hash(connection, name, "", email=email, active=False, by=by.userid)
            link = mailed_links.make(connection, "activation", user, address_of(request))
    except (BadAccount, NameTaken) as error:
        return _accounts(request, 400, said=sentence(error))
    if not letters.can_send:
        # Without a mail server the administrator hands the link over.
        return _account(request, user, link=letters.address("activation", link))
    background.add_task(letters.send, "activation", [link])
    return RedirectResponse(_path(user.username), 303)


@router.get("/accounts/{name}/", response_class=HTMLResponse)
def one(request: Request, name: str) -> Response:
    """One account."""
    administrating(request)
    return _account(request, _get(request, name))


@router.post("/accounts/{name}/", response_class=HTMLResponse)
def change(request: Request, name: str, given: Parameters) -> Response:
    """Change roles, groups, address, and whether an account can be used."""
    by = administrating(request, given).user
    user = _get(request, name)
    roles = [role for role in ROLES if text(given, f"role_{role}")]
    try:
        with accounts_of(request) as connection, connection.transaction():
            wanted = [group.name for group in groups.every(connection) if text(given, f"group_{group.groupid}")]
            user = accounts.update(
                connection, user.username, email=text(given, "email", 254).strip(), roles=roles,
                active=bool(text(given, "active")), by=by.userid,
            )  # fmt: skip
            groups.set_groups(connection, user.username, wanted, by=by.userid)
    except BadAccount as error:
        return _account(request, user, 400, said=sentence(error))
    return RedirectResponse(_path(user.username), 303)


@router.post("/accounts/{name}/link/", response_class=HTMLResponse)
def send_link(request: Request, name: str, given: Parameters, background: BackgroundTasks) -> Response:
    """Send a link to set a password, or show it where there is no mail server."""
    administrating(request, given)
    user, letters = _get(request, name), request.app.state.letters
    purpose: mailed_links.Purpose = "password" if user.active else "activation"
    if letters.can_send and not user.email:
        return _account(request, user, 400, said="The account has no address.")
    if not user.active and user.last_login is not None:
        return _account(request, user, 400, said="Switch the account on first.")
    with accounts_of(request) as connection:
        link = mailed_links.make(connection, purpose, user, address_of(request))
    if not letters.can_send:
        return _account(request, user, link=letters.address(purpose, link))
    background.add_task(letters.send, purpose, [link])
    return _account(request, user, said="A message with a link is on its way.", background=background)


@router.post("/accounts/{name}/remove/", response_class=HTMLResponse)
def remove(request: Request, name: str, given: Parameters) -> Response:
    """Remove an account with what it owns; the form repeats its name."""
    from broker_assets.ownership.removal import remove_account

    by = administrating(request, given).user
    user = _get(request, name)
    if text(given, "name") != user.username:
        return _account(request, user, 400, said="Write the name of the account to confirm.")
    try:
        with accounts_of(request) as connection:
            remove_account(connection, user, by=by.userid)
    except BadAccount as error:
        return _account(request, user, 400, said=sentence(error))
    return RedirectResponse("/admin/", 303)


@router.get("/groups/", response_class=HTMLResponse)
def every_group(request: Request) -> Response:
    """All groups."""
    administrating(request)
    return _groups(request)


@router.post("/groups/", response_class=HTMLResponse)
def add_group(request: Request, given: Parameters) -> Response:
    """Create a group."""
    by = administrating(request, given).user
    try:
        with accounts_of(request) as connection:
            groups.add(connection, text(given, "name", 150).strip(), by=by.userid)
    except BadAccount as error:
        return _groups(request, 400, said=sentence(error))
    return RedirectResponse("/admin/groups/", 303)


@router.post("/groups/{groupid}/remove/", response_class=HTMLResponse)
def remove_group(request: Request, groupid: int, given: Parameters) -> Response:
    """Remove a group; nothing is shared with it any longer."""
    by = administrating(request, given).user
    try:
        with accounts_of(request) as connection:
            groups.remove(connection, groupid, by=by.userid)
    except BadAccount as error:
        return _groups(request, 400, said=sentence(error))
    return RedirectResponse("/admin/groups/", 303)


@router.get("/changes/", response_class=HTMLResponse)
def record(request: Request) -> Response:
    """The record of changes, by account, kind, subject and day."""
    administrating(request)
    asked = {name: text(request.query_params, name, 200) for name in ("who", "action", "subject", "since", "before")}
    since, said = None, ""
    if asked["since"]:
        try:
            since = datetime.datetime.fromisoformat(asked["since"]).replace(tzinfo=datetime.UTC)
        except ValueError:
            said = f"{asked['since']} is not a day; expected something like 2026-11-30."
    before = int(asked["before"]) if asked["before"].isascii() and asked["before"].isdigit() else None
    before = before if before is not None and before < 2**63 else None
    with accounts_of(request) as connection:
        found = changes.newest(
            connection, PAGE + 1, who=asked["who"], action=asked["action"], subject=asked["subject"], since=since,
            before=before,
        )  # fmt: skip
        kinds = changes.actions(connection)
    more = ""
    if len(found) > PAGE:
        more = urlencode({**asked, "before": str(found[PAGE - 1].changeid)})
    return page(request, "account/changes.html", changes=found[:PAGE], kinds=kinds, asked=asked, more=more, said=said)


def _get(request: Request, name: str) -> User:
    try:
        with accounts_of(request) as connection:
            return accounts.get(connection, name)
    except UnknownAccount as error:
        raise HTTPException(404, sentence(error)) from None


def _path(name: str) -> str:
    return f"/admin/accounts/{quote(name, safe='')}/"


def _accounts(request: Request, code: int = 200, *, said: str = "") -> Response:
    wanted = text(request.query_params, "name", 150).lower()
    with accounts_of(request) as connection:
        found = [user for user in accounts.every(connection) if wanted in user.username.lower()]
    return page(request, "account/accounts.html", code, accounts=found, wanted=wanted, said=said)


def _groups(request: Request, code: int = 200, *, said: str = "") -> Response:
    with accounts_of(request) as connection:
        found = groups.every(connection)
    return page(request, "account/groups.html", code, groups=found, everybody=accounts.EVERYBODY, said=said)


def _account(
    request: Request, user: User, code: int = 200, *, said: str = "", link: str = "", background: Any = None
) -> Response:
    with accounts_of(request) as connection:
        own = accounts.groups_of(connection, user.userid)
        known = groups.every(connection)
        newest = changes.newest(connection, 10, subject=user.username)
    answer = page(
        request, "account/account.html", code, account=user, own=own, groups=known, roles=ROLES,
        everybody=accounts.EVERYBODY, changes=newest, said=said, link=link,
    )  # fmt: skip
    answer.background = background
    return answer

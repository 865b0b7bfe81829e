"""Forgotten passwords, activation of accounts, and registration, through links that are sent by e-mail.

The answer to a request is the same whether there is such an account or not.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import accounts, mailed_links
from broker_assets.access.accounts import BadAccount
from broker_assets.access.mailed_links import BadLink, Link, Purpose, TooManyLinks
from broker_assets.access.passwords import BadPassword, hash_password
from broker_assets.access.refusals import NameTaken
from broker_assets.api.account.forms import MayNotError, check_before, csrf_before, remember, text
from broker_assets.api.account.letters import Letters
from broker_assets.api.authentication import accounts_of, address_of
from broker_assets.api.parameters import Parameters
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence
from broker_assets.settings.access import AccessSettings

router = APIRouter(tags=["accounts"], include_in_schema=False)

SENT: Final = "If there is such an account with an address, a message with a link is on its way to it."
REGISTERED: Final = "A message with a link is on its way to that address; the account can be used after it was opened."
NO_MAIL: Final = "This server sends no e-mail. Ask an administrator: `broker-assets users update NAME --password`."


@router.get("/password_reset/", response_class=HTMLResponse)
def ask_page(request: Request) -> Response:
    """The form for a link."""
    return _form(request, "ask.html", said="" if _letters(request).can_send else NO_MAIL)


@router.post("/password_reset/", response_class=HTMLResponse)
def ask(request: Request, given: Parameters, background: BackgroundTasks) -> Response:
    """Send a link to the accounts of a name or address, if there are any."""
    check_before(request, given)
    try:
        with accounts_of(request) as connection:
            found = mailed_links.ask(connection, "password", text(given, "account", 320).strip(), address_of(request))
    except TooManyLinks as error:
        return _form(request, "ask.html", 429, said=sentence(error))
    return _sent(request, background, "password", found, SENT)


@router.get("/password_reset/{secret}/", response_class=HTMLResponse)
def reset_page(request: Request, secret: str) -> Response:
    """The form for the new password."""
    return _secret_page(request, "password", secret)


@router.post("/password_reset/{secret}/", response_class=HTMLResponse)
def reset(request: Request, secret: str, given: Parameters) -> Response:
    """Set the new password."""
    return _use(request, "password", secret, given)


@router.get("/activate/{secret}/", response_class=HTMLResponse)
def activation_page(request: Request, secret: str) -> Response:
    """The button that activates an account, or the form for its first password. Opening the page changes nothing."""
    return _secret_page(request, "activation", secret)


@router.post("/activate/{secret}/", response_class=HTMLResponse)
def activate(request: Request, secret: str, given: Parameters) -> Response:
    """Activate the account."""
    return _use(request, "activation", secret, given)


@router.get("/register/", response_class=HTMLResponse)
def register_page(request: Request) -> Response:
    """The registration form, if everybody may have an account."""
    _check_registration(request)
    return _form(request, "register.html", username="", email="")


@router.post("/register/", response_class=HTMLResponse)
def register(request: Request, given: Parameters, background: BackgroundTasks) -> Response:
    """Create an account that becomes active when its address is confirmed."""
    from broker_assets.ownership.removal import owns_something

    _check_registration(request)
    check_before(request, given)
    username, email = text(given, "username", 150).strip(), text(given, "email", 254).strip()
    try:
        if not email:
            raise BadAccount("an address is needed: the link is sent there")
        hashed = hash_password(text(given, "password"), username)
        with accounts_of(request) as connection:
            known = mailed_links.ask(connection, "password", email, address_of(request)) if "@" in email else []
            if known:
                # The owner of the address learns that it has an account; the visitor who asked does not.
                return _sent(request, background, "password", known, REGISTERED)
            if owns_something(connection, username):
                raise NameTaken(f"an account named {username} exists")
            user = accounts.add_with_hash(connection, username, hashed, email=email, active=False)
            link = mailed_links.make(connection, "activation", user, address_of(request))
    except TooManyLinks as error:
        return _form(request, "register.html", 429, said=sentence(error), username=username, email=email)
    except (BadAccount, NameTaken, BadPassword) as error:
        return _form(request, "register.html", 400, said=sentence(error), username=username, email=email)
    return _sent(request, background, "activation", [link], REGISTERED)


def _check_registration(request: Request) -> None:
    access: AccessSettings = request.app.state.access
    if not access.registration or not _letters(request).can_send:
        raise MayNotError("Accounts of this server are made by its administrators.")


def _sent(request: Request, background: BackgroundTasks, purpose: Purpose, links: list[Link], said: str) -> Response:
    background.add_task(_letters(request).send, purpose, links)
    answer = _form(request, "sent.html", said=said)
    answer.background = background
    return answer


def _secret_page(request: Request, purpose: Purpose, secret: str, code: int = 200, said: str = "") -> Response:
    try:
        with accounts_of(request) as connection:
            user = mailed_links.find(connection, purpose, secret)
            asks = purpose == "password" or not mailed_links.has_password(connection, user)
    except BadLink as error:
        return _form(request, "sent.html", 404, said=sentence(error))
    return _form(request, "set_password.html", code, said=said, account=user, asks=asks, purpose=purpose)


def _use(request: Request, purpose: Purpose, secret: str, given: dict[str, Any]) -> Response:
    check_before(request, given)
    new = text(given, "new")
    try:
        with accounts_of(request) as connection:
            user = mailed_links.find(connection, purpose, secret)
            if purpose == "activation" and mailed_links.has_password(connection, user):
                mailed_links.activate(connection, secret)
            elif new != text(given, "repeated"):
                raise BadPassword("the two passwords differ")
            else:
                mailed_links.set_password(connection, purpose, secret, new)
    except BadLink as error:
        return _form(request, "sent.html", 404, said=sentence(error))
    except BadPassword as error:
        return _secret_page(request, purpose, secret, 400, sentence(error))
    return RedirectResponse("/accounts/login/", 303)


def _letters(request: Request) -> Letters:
    letters: Letters = request.app.state.letters
    return letters


def _form(request: Request, template: str, code: int = 200, *, said: str = "", **values: Any) -> Response:
    csrf = csrf_before(request)
    return remember(page(request, f"account/{template}", code, csrf=csrf, said=said, **values), request, csrf)

"""Logging in through an OpenID Connect provider, where the settings name one.

What is compared when the browser comes back is in a signed cookie of ten minutes: a log-in that somebody else began
cannot be finished in this browser.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.access import identities, sessions
from broker_assets.access.identities import NoAccount
from broker_assets.access.signing import BadSignature, Signer
from broker_assets.api.account.forms import remember
from broker_assets.api.authentication import SESSION, accounts_of
from broker_assets.api.login import local, set_cookie
from broker_assets.api.site.frame import error_page
from broker_assets.sentences import sentence
from broker_assets.settings.access import AccessSettings

if TYPE_CHECKING:
    from broker_assets.access.openid import Provider

log = logging.getLogger(__name__)
router = APIRouter(prefix="/accounts/openid", tags=["accounts"], include_in_schema=False)

COOKIE: Final = "openid"
PURPOSE: Final = "openid"
SECONDS: Final = 600
"""Time limit of the log-in at the provider, seconds."""


@router.get("/", response_class=HTMLResponse)
def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    from broker_assets.access.openid import OpenIdError

    signer: Signer = request.app.state.signer
    try:
        begun = _provider(request).begin()
    except OpenIdError as error:
        return _failed(request, error, 503)
    kept = {
        "state": begun.state,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "next": local(request.query_params.get("next", ""))[:1000],
    }
    answer = RedirectResponse(begun.url, 302, {"Cache-Control": "no-store"})
    set_cookie(answer, request, COOKIE, signer.seal(PURPOSE, kept, SECONDS), SECONDS)
    return answer


@router.get("/callback/", response_class=HTMLResponse)
def finish(request: Request, code: str = "", state: str = "", error: str = "", iss: str = "") -> Response:
    """Begin a session for the account of the person whom the provider authenticated."""
    from broker_assets.access.openid import OpenIdError
    from broker_assets.ownership.removal import owns_something

    signer: Signer = request.app.state.signer
    access: AccessSettings = request.app.state.access
    provider = _provider(request)
    try:
        kept = signer.open(PURPOSE, request.cookies.get(COOKIE, ""))
    except BadSignature:
        return _failed(request, OpenIdError("the log-in did not begin in this browser, or took too long"))
    if not secrets.compare_digest(state.encode(), str(kept["state"]).encode()):
        return _failed(request, OpenIdError("the log-in did not begin in this browser"))
    if iss and iss.rstrip("/") != provider.issuer:  # RFC 9207
        return _failed(request, OpenIdError("the answer is that of another provider"))
    if error or not code:
        return _failed(request, OpenIdError("the provider refused the log-in"))
    try:
        person = provider.finish(code, nonce=str(kept["nonce"]), verifier=str(kept["verifier"]))
        with accounts_of(request) as connection:
            user = identities.log_in(
                connection, person, create=access.openid.create, is_taken=lambda name: owns_something(connection, name)
            )
            sessions.end(connection, request.cookies.get(SESSION, ""))
            cookie, csrf = sessions.begin(connection, user)
    except (OpenIdError, NoAccount) as problem:
        return _failed(request, problem)
    answer = RedirectResponse(local(str(kept["next"])), 302)
    answer.delete_cookie(COOKIE, path="/")
    set_cookie(answer, request, SESSION, cookie, sessions.IDLE_DAYS * 86_400)
    return remember(answer, request, csrf)


def _provider(request: Request) -> Provider:
    from broker_assets.access.openid import OpenIdError, Provider

    access: AccessSettings = request.app.state.access
    if access.openid.issuer is None:
        raise HTTPException(404, "Not Found")
    known: Provider | None = getattr(request.app.state, "openid", None)
    if known is None:
        redirect = f"{request.app.state.letters.pages}/accounts/openid/callback/"
        try:
            known = request.app.state.openid = Provider(access.openid, redirect)
        except OpenIdError as error:
            raise HTTPException(503, sentence(error)) from None
    return known


def _failed(request: Request, error: Exception, code: int = 403) -> Response:
    log.warning("a log-in by OpenID Connect failed: %s", error)
    answer = error_page(request, code, sentence(error))
    answer.delete_cookie(COOKIE, path="/")
    return answer

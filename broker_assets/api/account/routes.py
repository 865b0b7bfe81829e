"""Adds the pages of accounts to the application, and its answers to users who may not see or change something."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from broker_assets.access.signing import Signer
from broker_assets.api.account import administration, check, links, profile, single_sign_on
from broker_assets.api.account.forms import ForgedError, MayNotError, NotLoggedInError
from broker_assets.api.account.letters import Letters
from broker_assets.api.login import forged
from broker_assets.api.site.frame import error_page
from broker_assets.settings import Settings


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the pages.

    Raises
    ------
    ValueError
        If other machines can reach the server and it has no signing key, or a key is too short.
    """
    app.state.signer = signer_of(settings)
    # Addresses of images are kept by others for longer than a key that ends with the process.
    app.state.image_signer = app.state.signer if settings.access.signing_key is not None else None
    app.state.letters = Letters(settings)
    for router in (profile.router, links.router, administration.router, check.router, single_sign_on.router):
        app.include_router(router)
    app.add_exception_handler(NotLoggedInError, _not_logged_in)
    app.add_exception_handler(ForgedError, _forged)
    app.add_exception_handler(MayNotError, _may_not)


def signer_of(settings: Settings) -> Signer:
    """The signer of the settings; if only this machine reaches the server, a key of this process is enough."""
    access = settings.access
    if access.signing_key is None:
        if settings.server.public_hosts:
            raise ValueError("set BROKER_ACCESS__SIGNING_KEY to a secret: `openssl rand -hex 32` makes one")
        return Signer.of_this_process()
    earlier = [(one.key.get_secret_value(), one.until) for one in access.earlier_signing_keys]
    return Signer(access.signing_key.get_secret_value(), earlier)


def _not_logged_in(request: Request, error: Exception) -> Response:
    onward = request.url.path if request.method == "GET" else "/profile/"
    return RedirectResponse(f"/accounts/login/?{urlencode({'next': onward})}", 303)


def _forged(request: Request, error: Exception) -> Response:
    return forged(request)


def _may_not(request: Request, error: Exception) -> Response:
    return error_page(request, 403, str(error))

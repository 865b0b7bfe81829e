"""Adds the interface to the application: its endpoints, and the form of its errors."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from broker_assets.access.guesses import TooManyGuesses
from broker_assets.access.requests import TooManyRequests
from broker_assets.api.authentication import NotAuthenticatedError, ReadOnlyTokenError
from broker_assets.api.documents import Document
from broker_assets.api.lasair import account, annotate, objects, queries
from broker_assets.api.lasair.catalogues import Catalogues
from broker_assets.api.parameters import BadParametersError, BadRequestError
from broker_assets.settings import Settings


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the endpoints."""
    app.state.catalogues = Catalogues(settings)
    app.state.interactive_seconds = settings.filters.interactive_seconds
    for router in (objects.router, queries.router, annotate.router, account.router):
        app.include_router(router)
        for route in router.routes:
            # A redirect to the path with the slash would lose the body of a POST.
            if isinstance(route, APIRoute):
                path = route.path.rstrip("/")
                app.add_api_route(path, route.endpoint, methods=sorted(route.methods or ()), include_in_schema=False)
    for path in ("/api-auth/", "/api-auth/login/"):
        app.add_api_route(path, _log_in, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(BadParametersError, _bad_parameters)
    app.add_exception_handler(BadRequestError, _bad_request)
    app.add_exception_handler(NotAuthenticatedError, _not_authenticated)
    app.add_exception_handler(ReadOnlyTokenError, _read_only)
    app.add_exception_handler(TooManyRequests, _too_many)
    app.add_exception_handler(TooManyGuesses, _too_many)


def _log_in(request: Request) -> Response:
    """Lasair's address of the log-in page: a redirect to the log-in page of this server."""
    return RedirectResponse(str(request.url.replace(scheme="", netloc="", path="/accounts/login/")), 302)


def _bad_parameters(request: Request, error: Exception) -> Response:
    return Document(error.fields if isinstance(error, BadParametersError) else {}, 400)


def _bad_request(request: Request, error: Exception) -> Response:
    return Document({"error": str(error)}, 400)


def _not_authenticated(request: Request, error: Exception) -> Response:
    return Document({"detail": str(error)}, 401, headers={"WWW-Authenticate": "Token"})


def _read_only(request: Request, error: Exception) -> Response:
    return Document({"detail": str(error)}, 403)


def _too_many(request: Request, error: Exception) -> Response:
    seconds = getattr(error, "seconds", 60)
    return Document({"message": str(error)}, 429, headers={"Retry-After": str(seconds)})

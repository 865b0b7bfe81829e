"""The frame of every page: header with search and menu, who is logged in, what a page may load, and pages of errors.

A page is a template that extends `base.html` and fills the blocks `title` and `main`; `page` renders it. Nothing is
loaded from another host, and there are no inline scripts or styles: files are in `static`, and `static("x.js")` is
their address.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from broker_assets.access.accounts import User
from broker_assets.access.sessions import masked
from broker_assets.api.authentication import CSRF, session_of
from broker_assets.api.connections import explained, unfit
from broker_assets.api.site.files import address_of
from broker_assets.api.templating import templates
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.sentences import sentence

log = logging.getLogger(__name__)

MENU: Final = (
    ("/", "Home"),
    ("/filters/", "Filters"),
    ("/watchlists/", "Watchlists"),
    ("/watchmaps/", "Areas"),
    ("/mma_watchmaps/", "Sky maps"),
    ("/nights/", "Nights"),
    ("/telemetry/", "Telemetry"),
    ("/targets/", "Targets"),
    ("/spectra/", "Spectra"),
    ("/status/", "Service"),
)
"""Addresses and names; those that this server does not have are left out. The menu fits in one row of 1280 pixels."""
MORE: Final = (
    ("/sql/", "SQL"),
    ("/annotators/", "Annotators"),
    ("/comres/", "Public resources"),
    ("/sso/", "Solar system"),
    ("/elasticc/", "ELAsTiCC"),
    ("/elasticc2/", "ELAsTiCC2"),
    ("/schema/", "Tables"),
    ("/help/", "Help"),
)
"""The same for the list that *More* opens."""
FOOT: Final = (("/sso/", "Solar system"), ("/schema/", "Tables"), ("/help/", "Help"))
"""The same for the bottom of every page."""
POLICY: Final[dict[str, tuple[str, ...]]] = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "font-src": ("'self'",),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
"""What every page may load, by directive of Content-Security-Policy."""

FRAMED: Final[dict[str, tuple[str, ...]]] = {"frame-src": ("'self'",)}
"""What a page may load in addition if one of our maps (`sky_view`) is embedded in it."""

templates.globals["static"] = address_of


@dataclass(frozen=True)
class Viewer:
    """The visitor of a page."""

    user: User | None
    """None: nobody is logged in."""
    csrf: str
    """CSRF token, which forms repeat as `csrfmiddlewaretoken` and scripts in the header `X-CSRFToken`."""

    @property
    def userid(self) -> int | None:
        """Number of the account."""
        return self.user.userid if self.user is not None else None

    def has(self, *roles: str) -> bool:
        """Whether the account has one of these roles."""
        return self.user is not None and not self.user.roles.isdisjoint(roles)


def viewer_of(request: Request) -> Viewer:
    """The visitor: the account of the session, or nobody without a session or while accounts cannot be read."""
    known: Viewer | None = getattr(request.state, "viewer", None)
    if known is None:
        try:
            session = session_of(request)
        except DatabaseUnavailableError:
            session = None
        csrf = session.csrf if session is not None else request.cookies.get(CSRF, "")
        known = Viewer(session.user if session is not None else None, csrf)
        request.state.viewer = known
    return known


def page(
    request: Request,
    template: str,
    code: int = 200,
    *,
    allow: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a page in the frame.

    Parameters
    ----------
    request : Request
        Whose page it is.
    template : str
        It gets `viewer`, `user` (None if nobody is logged in), `csrf`, `menu`, `rarer`, `foot`, `here` (the path) and
        `query` (of the search box).
    code : int
        HTTP status.
    allow : mapping, optional
        Sources that this page may load in addition, by directive.
    headers : mapping, optional
        More headers of the answer.
    **values
        Further values for the template.
    """
    viewer = viewer_of(request)
    common = {
        "viewer": viewer,
        "user": viewer.user,
        "csrf": viewer.csrf,
        "menu": [entry for entry in MENU if entry in menu_of(request.app)],
        "rarer": [entry for entry in MORE if entry in menu_of(request.app)],
        "foot": [entry for entry in FOOT if entry in menu_of(request.app)],
        "here": request.url.path,
        "query": "",
    }
    shown = common | values
    shown["csrf"] = masked(shown["csrf"])
    answer = HTMLResponse(templates.get_template(template).render(shown), code)
    answer.headers["Content-Security-Policy"] = policy_of(allow or {})
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers.update(headers or {})
    return answer


def policy_of(allow: Mapping[str, Sequence[str]]) -> str:
    """The policy of a page that may load some sources in addition, by directive.

    Examples
    --------
    >>> policy_of({"frame-src": ("'self'",), "frame-ancestors": ("'self'",)}).split("; ")[-2:]
    ["frame-ancestors 'self'", "frame-src 'self'"]
    """
    names = (*POLICY, *(name for name in allow if name not in POLICY))
    usual = {name: tuple(one for one in POLICY.get(name, ()) if one != "'none'" or name not in allow) for name in names}
    return "; ".join(" ".join((name, *usual[name], *allow.get(name, ()))) for name in names)


def menu_of(app: FastAPI) -> list[tuple[str, str]]:
    """The entries of the menu that the application has."""
    known: list[tuple[str, str]] | None = getattr(app.state, "menu", None)
    if known is None:
        known = app.state.menu = [(path, name) for path, name in (*MENU, *MORE) if is_served(app, path)]
    return known


def is_served(app: FastAPI, path: str) -> bool:
    """Whether the application has a page of this path."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], "query_string": b""}
    return any(route.matches(dict(scope))[0] is Match.FULL for route in app.routes)


def error_page(request: Request, code: int, what: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A page that says what failed and what to do, with a number that is also in the log."""
    number = secrets.token_hex(4)
    level = logging.WARNING if code >= 500 else logging.INFO
    log.log(level, "request %s for %s failed with %d: %s", number, request.url.path, code, what)
    return page(request, "error.html", code, what=what, status=code, number=number, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether the answer to a request is shown by a browser as a page."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def add_to(app: FastAPI) -> None:
    """Show errors as pages to browsers."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(DatabaseUnavailableError, database_unavailable)
    app.add_exception_handler(LookupError, _refused)
    app.add_exception_handler(PermissionError, _refused)
    app.add_exception_handler(ValueError, _refused)
    app.add_exception_handler(psycopg.DataError, _unfit)
    app.add_exception_handler(UnicodeEncodeError, _unfit)  # half of a surrogate pair, which JSON can express
    app.add_exception_handler(Exception, _broken)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (for the type)
    if not wants_page(request):
        return await http_exception_handler(request, error)
    what = "There is no such page." if error.detail == "Not Found" else str(error.detail)
    return error_page(request, error.status_code, what, headers=error.headers)


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (for the type)
    if not wants_page(request):
        return await request_validation_exception_handler(request, error)
    said = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
    return error_page(request, 400, f"The address has a value that cannot be used: {said}")


_CODES: Final = {LookupError: 404, PermissionError: 403, ValueError: 422}
"""HTTP status by type of a domain error; the first that fits counts."""


def _refused(request: Request, error: Exception) -> Response:
    """A domain error after all checks have passed: another request has meanwhile removed a thing, transferred it, or
    taken its name.

    Errors of these types that do not come from the domain are faults of the program.
    """
    if not type(error).__module__.startswith("broker_assets."):
        raise error
    from broker_assets.api.documents import Document

    code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
    if wants_page(request):
        return error_page(request, code, sentence(error))
    return Document({"detail": sentence(error)}, code)


def _unfit(request: Request, error: Exception) -> Response:
    """A value that the database does not take: a mistake of the request."""
    from broker_assets.api.documents import Document

    if wants_page(request):
        return error_page(request, 422, sentence(unfit(error)))
    return Document({"detail": sentence(unfit(error))}, 422)


def _broken(request: Request, error: Exception) -> Response:
    """An error of the program; the server writes it to its log after this."""
    if wants_page(request):
        return error_page(request, 500, "The page could not be made. This is an error of the broker.")
    return Response("Internal Server Error", 500, media_type="text/plain")


def database_unavailable(request: Request, error: Exception) -> Response:
    """Say that the database is unavailable, without the error message, which contains the server's address."""
    from broker_assets.api.documents import Document

    log.warning("%s", error)
    headers = {"Retry-After": "5"}
    if wants_page(request):
        return error_page(request, 503, sentence(explained(error)), headers=headers)
    return Document({"detail": explained(error)}, 503, headers=headers)

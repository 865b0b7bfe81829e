"""The common form of all errors of this interface: a problem document (RFC 9457) that says what to do.

`type` is stable, for programs; `detail` says what was wrong, `advice` what to do next, and `errors` names the
parameters. Exceptions of the domain are translated here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from broker_assets.access.requests import TooManyRequests
from broker_assets.api.authentication import NotAuthenticatedError, ReadOnlyTokenError
from broker_assets.api.connections import ConnectionsInUseError, QuestionTooLongError, explained, unfit
from broker_assets.api.documents import Document
from broker_assets.database.engine import DatabaseUnavailableError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:broker-assets:problem:"
"""Prefix of `type`."""

KINDS: Final[dict[str, tuple[int, str, str]]] = {
    "bad-parameter": (422, "A parameter is missing or wrong", "correct the parameters that `errors` names"),
    "bad-request": (400, "The request cannot be answered", "correct it as `detail` says and send it again"),
    "not-authenticated": (
        401,
        "An account is needed",
        "send `Authorization: Token …` with a token of your account; the page of your account makes one",
    ),
    "not-allowed": (403, "The account may not do this", "use a token that may write, or ask the owner"),
    "not-found": (404, "There is no such thing, or it is neither public nor yours", "check the identifier"),
    "method-not-allowed": (405, "The address does not take this method", "see /api/v1/openapi.json"),
    "not-acceptable": (406, "The answer is not available in this form", "ask for one of the forms in `detail`"),
    "conflict": (409, "It conflicts with what is there", "choose another name, or change what exists"),
    "gone": (410, "It existed and is gone", "`detail` says which version is gone"),
    "too-large": (413, "The request is too large", "send it in parts"),
    "range-not-satisfiable": (416, "The file has no such range", "`Content-Range` has its size"),
    "too-many-requests": (429, "Too many requests", "wait as `Retry-After` says"),
    "internal-error": (500, "The server failed", "report it with the time and the address of the request"),
    "unavailable": (503, "The service is unavailable", "try again in a moment"),
    "too-slow": (503, "The database took too long", "ask for less, or try again later"),
}
"""By kind: status, title, and what to do if nothing more precise is known."""
_OF_STATUS: Final = {status: kind for kind, (status, _, _) in reversed(KINDS.items())}


class Problem(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    detail : str
        What was wrong.
    advice : str, optional
        What to do; default: the advice for the kind.
    errors : sequence of dict, optional
        `parameter` and `message` of each parameter that was wrong; `line` and `column` of text.
    headers : mapping, optional
        Headers of the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        advice: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.advice = advice
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})


def answer(request: Request, problem: Problem) -> Response:
    """The problem as a response."""
    status, title, advice = KINDS[problem.kind]
    content: dict[str, Any] = {
        "type": PREFIX + problem.kind,
        "title": title,
        "status": status,
        "detail": problem.detail,
        "instance": request.url.path,
        "advice": problem.advice or advice,
    }
    if problem.errors:
        content["errors"] = problem.errors
    return Document(content, status, headers=problem.headers, media_type=MEDIA_TYPE)


def translated(error: Exception) -> Problem:
    """The problem for an exception."""
    from broker_assets.filters.errors import FilterError

    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        errors = [{"parameter": _name(item["loc"]), "message": str(item["msg"])} for item in error.errors()]
        text = "; ".join(f"{item['parameter']}: {item['message']}" for item in errors)
        return Problem("bad-parameter", text, errors=errors)
    if isinstance(error, FilterError):
        places = [
            {
                "parameter": one.part,
                "message": one.message,
                "line": one.line,
                "column": one.column,
                "suggestion": one.suggestion,
                "example": one.example,
            }
            for one in error.problems
        ]
        return Problem("bad-parameter", str(error), advice="correct the filter where `errors` says", errors=places)
    if isinstance(error, HTTPException):
        return Problem(_OF_STATUS.get(error.status_code, "bad-request"), str(error.detail), headers=error.headers)
    if isinstance(error, NotAuthenticatedError):
        return Problem("not-authenticated", str(error), headers={"WWW-Authenticate": "Token"})
    if isinstance(error, ReadOnlyTokenError):
        return Problem("not-allowed", str(error))
    if isinstance(error, TooManyRequests):
        seconds = str(getattr(error, "seconds", 60))
        return Problem("too-many-requests", str(error), headers={"Retry-After": seconds})
    if isinstance(error, QuestionTooLongError):
        return Problem("too-slow", explained(error))
    if isinstance(error, ConnectionsInUseError | DatabaseUnavailableError):
        log.warning("%s", error)
        return Problem("unavailable", explained(error), headers={"Retry-After": "5"})
    if isinstance(error, psycopg.DataError | UnicodeEncodeError):  # the latter: half of a surrogate pair
        return Problem("bad-parameter", unfit(error))
    if type(error).__module__.startswith("broker_assets."):  # meant for users; others are our own faults
        for kind, names in _BY_NAME.items():
            if any(one.__name__ in names for one in type(error).__mro__):
                return Problem(kind, str(error))
    log.error("a request failed", exc_info=error)
    return Problem("internal-error", "an error that was not foreseen; it is in the log of the server")


_BY_NAME: Final[dict[str, frozenset[str]]] = {
    "not-found": frozenset({"LookupError"}),
    "not-allowed": frozenset({"PermissionError"}),
    "conflict": frozenset({"NameTaken"}),
    "too-slow": frozenset({"TimeoutError"}),
    "bad-request": frozenset({"ValueError"}),
}
"""Domain errors by name, so that their modules need not be loaded; the first that fits counts."""


def _name(place: Sequence[Any]) -> str:
    parts = [str(part) for part in place if part not in ("query", "path", "body", "header")]
    return ".".join(parts) or "body"


HANDLED: Final[tuple[type[Exception], ...]] = (
    Problem,
    RequestValidationError,
    HTTPException,
    NotAuthenticatedError,
    ReadOnlyTokenError,
    TooManyRequests,
    DatabaseUnavailableError,
    psycopg.DataError,
    UnicodeEncodeError,
    LookupError,
    PermissionError,
    TimeoutError,
    ValueError,
    Exception,
)
"""Exceptions that are answered as problems, each with its subclasses."""


def add_to(app: FastAPI) -> None:
    """Make an application answer every error in this form."""

    def handle(request: Request, error: Exception) -> Response:
        return answer(request, translated(error))

    for kind in HANDLED:
        app.add_exception_handler(kind, handle)


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A problem: what was wrong, and what to do",
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {
                    "type": PREFIX + "not-found",
                    "title": KINDS["not-found"][1],
                    "status": 404,
                    "detail": "object 12 is unknown",
                    "instance": "/api/v1/objects/12",
                    "advice": KINDS["not-found"][2],
                },
            }
        },
    }
}
"""Documents the form for OpenAPI."""
SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "advice"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Stable name of the kind of problem",
            "enum": [PREFIX + k for k in KINDS],
        },
        "title": {"type": "string", "description": "The kind in words"},
        "status": {"type": "integer", "description": "HTTP status"},
        "detail": {"type": "string", "description": "What was wrong with this request"},
        "instance": {"type": "string", "description": "Address of the request"},
        "advice": {"type": "string", "description": "What to do"},
        "errors": {
            "type": "array",
            "description": "Each parameter that was wrong",
            "items": {
                "type": "object",
                "properties": {
                    "parameter": {"type": "string"},
                    "message": {"type": "string"},
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                },
            },
        },
    },
}
"""Schema of a problem."""

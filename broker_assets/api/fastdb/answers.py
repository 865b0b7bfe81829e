"""Answers, bodies and errors of the interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from broker_assets.api.connections import unfit
from broker_assets.api.tom.answers import json_of
from broker_assets.settings.tom import TomSettings

REFUSED: Final = 422
"""Status of every mistake in a request."""


class FastdbError(Exception):
    """A request cannot be answered; the message says why."""

    def __init__(self, text: str, status: int = REFUSED) -> None:
        super().__init__(text)
        self.status = status


class Json(Response):
    """A JSON answer; values that are not finite are null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return content if isinstance(content, bytes) else json_of(content)


def failed(request: Request, error: Exception) -> Response:
    """The answer of a `FastdbError`."""
    assert isinstance(error, FastdbError)  # noqa: S101 - what it is registered for
    return PlainTextResponse(str(error), error.status)


def too_long(request: Request, error: Exception) -> Response:
    """A query beyond the time limit of an answer: asking again would not help."""
    return PlainTextResponse("the question takes too long: ask for less, or for an estimate, or queue SQL", REFUSED)


def misfit(request: Request, error: Exception) -> Response:
    """The answer to a value that the database does not take."""
    return PlainTextResponse(unfit(error), REFUSED)


def refused(request: Request, error: Exception) -> Response:
    """The answer to an unknown path, or a method that the path does not have, elsewhere 404 and 405."""
    if isinstance(error, RequestValidationError):
        return PlainTextResponse("; ".join(str(one["msg"]) for one in error.errors()), REFUSED)
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    status = error.status_code if error.status_code >= 500 else REFUSED
    return PlainTextResponse(f"{request.method} {request.url.path}: {error.detail}", status)


async def _body(request: Request) -> dict[str, Any]:
    settings: TomSettings = request.app.state.tom
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > settings.largest_body:
            raise FastdbError(f"the request is larger than {settings.largest_body} bytes: send it in parts")
    if not body:
        return {}
    # A page of another site can send types other than this one without a preflight request.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise FastdbError("POST data was not JSON: the content type must be application/json")
    try:
        given = orjson.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise FastdbError(f"POST data was not JSON: {error}") from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise FastdbError("POST data must be a JSON dict")
    return given


Given = Annotated[dict[str, Any], Depends(_body)]
"""The values of a body; empty without a body."""


def only(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse unknown values.

    Raises
    ------
    FastdbError
        If there is an unknown value.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise FastdbError(f"Unknown data parameters: {{{', '.join(map(repr, unknown))}}}")


def required(given: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse a body without some values.

    Raises
    ------
    FastdbError
        If one is missing.
    """
    missing = sorted(set(names) - set(given))
    if missing:
        raise FastdbError(f"Missing required fields: {{{', '.join(map(repr, missing))}}}")

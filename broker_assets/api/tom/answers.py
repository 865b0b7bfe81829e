"""Answers and errors of the interface."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from broker_assets.settings.tom import TomSettings


class Json(Response):
    """A JSON answer; values that are not finite are null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return json_of(content)


def json_of(content: Any) -> bytes:
    """Encode as JSON; numbers in arrays of 32-bit floats have the fewest digits that identify them.

    Examples
    --------
    >>> import numpy as np
    >>> json_of({"flux": np.array([0.1, np.nan], np.float32)})
    b'{"flux":[0.1,null]}'
    """
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


class RefusedError(Exception):
    """A request is answered with something other than what it asks for.

    Parameters
    ----------
    answer : Response
        The answer.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


class TomError(Exception):
    """A request cannot be answered.

    Parameters
    ----------
    text : str
        What is wrong.
    status : int
        HTTP status; 500 where clients of the original expect that.
    """

    def __init__(self, text: str, status: int = 422) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


EXPECTED: Final = 500
"""Status of errors that clients of the original expect with the original's status."""


def refused(request: Request, error: Exception) -> Response:
    """The answer of a `RefusedError`."""
    assert isinstance(error, RefusedError)  # noqa: S101 - what it is registered for
    return error.answer


def failed(request: Request, error: Exception) -> Response:
    """A text, or JSON for clients that ask for JSON."""
    assert isinstance(error, TomError)  # noqa: S101 - what it is registered for
    settings: TomSettings = request.app.state.tom
    status = EXPECTED if settings.legacy_errors else error.status
    if "application/json" in request.headers.get("accept", "").lower():
        return JSONResponse({"status": "error", "error": error.text}, status)
    return PlainTextResponse(error.text, status)

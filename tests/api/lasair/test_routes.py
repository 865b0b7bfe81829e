"""How errors are said."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from broker_assets.access.guesses import TooManyGuesses
from broker_assets.access.requests import TooManyRequests
from broker_assets.api.authentication import NotAuthenticatedError, ReadOnlyTokenError
from broker_assets.api.lasair.routes import add_to
from broker_assets.api.parameters import BadParametersError, BadRequestError
from broker_assets.settings import Settings


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (BadParametersError({"ra": ["too large"]}), 400, {"ra": ["too large"]}),
        (BadRequestError("no"), 400, {"error": "no"}),
        (NotAuthenticatedError("who?"), 401, {"detail": "who?"}),
        (ReadOnlyTokenError("only reads"), 403, {"detail": "only reads"}),
        (TooManyGuesses(61), 429, {"message": "too many wrong passwords; try again in 2 min"}),
        (
            TooManyRequests(1000, 60),
            429,
            {"message": "1,000 requests in an hour is the limit; wait 1 min or ask for more"},
        ),
    ],
)
def test_each_error_has_its_status_and_its_shape(
    error: Exception, status: int, body: dict[str, Any], tmp_path: Any
) -> None:
    app = FastAPI()
    add_to(app, Settings(home=tmp_path))

    @app.get("/fails")
    def fails() -> None:
        raise error

    answer = TestClient(app).get("/fails")
    assert answer.status_code == status
    assert json.loads(answer.content) == body
    assert ("retry-after" in answer.headers) == (status == 429)


@pytest.mark.database
@pytest.mark.parametrize("path", ["cone", "object", "sherlock/object", "sherlock/position", "auth-token"])
def test_a_post_without_the_slash_is_not_redirected(site: Any, path: str) -> None:
    for slash in ("", "/"):
        answer = httpx.post(f"{site.url}/api/{path}{slash}", json=[])
        assert answer.status_code == 400
        assert answer.json() == {"error": "the body must be a JSON object with the parameters"}


@pytest.mark.database
def test_the_log_in_of_the_interface_is_that_of_the_pages(site: Any) -> None:
    for path in ("", "login/"):
        answer = httpx.get(f"{site.url}/api-auth/{path}?next=/api/cone/")
        assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/login/?next=/api/cone/")

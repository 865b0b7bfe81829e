"""Tokens by name and password, and how many requests an account may make."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from lasair import LasairError, lasair_client

from broker_assets.access import accounts, guesses
from broker_assets.database import engine

pytestmark = pytest.mark.database
PASSWORD = "correct horse"


@pytest.fixture
def bob(filled_database_url: str) -> Any:
    with engine.connect(filled_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE access.failed_guesses")
        yield accounts.add(connection, "bob", PASSWORD)
        accounts.remove(connection, "bob")
        connection.execute("TRUNCATE access.failed_guesses")


@pytest.mark.usefixtures("bob")
def test_a_token_for_a_password(site: Any) -> None:
    url = f"{site.url}/api/auth-token/"
    token = httpx.post(url, data={"username": "bob", "password": PASSWORD}).json()["token"]
    assert lasair_client(token, endpoint=f"{site.url}/api").cone(0, 0, requestType="count") == {"count": 0}
    again = httpx.post(url, json={"username": "bob", "password": PASSWORD}).json()["token"]
    assert again != token
    # The program that asked first works on.
    for one in (token, again):
        assert lasair_client(one, endpoint=f"{site.url}/api").cone(0, 0, requestType="count") == {"count": 0}


@pytest.mark.usefixtures("bob")
def test_wrong_passwords_end_in_429(site: Any) -> None:
    url = f"{site.url}/api/auth-token/"
    for _ in range(guesses.BY_ACCOUNT):
        answer = httpx.post(url, data={"username": "bob", "password": "wrong horses"})
        assert answer.status_code == 400
        assert answer.json() == {"non_field_errors": ["Unable to log in with provided credentials."]}
    answer = httpx.post(url, data={"username": "bob", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 900


def test_requests_of_an_hour_are_limited(site: Any, bob: Any, new_token: Any) -> None:
    client = lasair_client(new_token("bob"), endpoint=f"{site.url}/api")
    most = site.settings.access.requests
    for _ in range(most):
        client.cone(0, 0, requestType="count")
    with pytest.raises(LasairError):
        client.cone(0, 0, requestType="count")
    answer = httpx.get(f"{site.url}/api/cone/", params={"token": new_token("bob")})
    assert answer.status_code == 429
    assert "limit" in answer.json()["message"]

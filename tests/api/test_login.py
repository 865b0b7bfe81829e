"""Logging in and out, in the very form of the programs of the DESC TOM, and as a browser does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests

from broker_assets.access import accounts, guesses
from broker_assets.database import engine

pytestmark = pytest.mark.database
PASSWORD = "correct horse"
FORBIDDEN = "Please enter a correct"


@pytest.fixture(autouse=True)
def ann(filled_database_url: str) -> Iterator[Any]:
    with engine.connect(filled_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE access.failed_guesses")
        yield accounts.add(connection, "anna", PASSWORD, roles=["operator"])
        accounts.remove(connection, "anna")
        connection.execute("TRUNCATE access.failed_guesses")


def _logged_in(url: str, password: str = PASSWORD) -> tuple[requests.Session, requests.Response]:
    """The dialogue of `tom_client.py`, request by request."""
    session = requests.Session()
    assert session.get(f"{url}/accounts/login/").status_code == 200
    form: dict[str, str] = {
        "username": "anna",
        "password": password,
        "csrfmiddlewaretoken": str(session.cookies["csrftoken"]),
    }
    answer = session.post(f"{url}/accounts/login/", data=form)
    session.headers.update({"X-CSRFToken": str(session.cookies["csrftoken"])})
    return session, answer


def test_the_dialogue_of_the_client(site: Any) -> None:
    session, answer = _logged_in(site.url)
    assert answer.status_code in (200, 503)  # the status page, whatever it says of the platform
    assert FORBIDDEN not in answer.text
    assert [step.status_code for step in answer.history] == [302]
    assert answer.history[0].headers["Location"] == "/"
    assert set(session.cookies.keys()) == {"csrftoken", "sessionid"}
    assert session.get(f"{site.url}/api/cone/?ra=0&dec=0&radius=1&requestType=count").json() == {"count": 0}
    page = session.get(f"{site.url}/accounts/login/").text
    assert "anna" in page
    assert "operator" in page


def test_a_wrong_password_gives_the_form_again(site: Any) -> None:
    session, answer = _logged_in(site.url, "wrong horses")
    assert answer.status_code == 200
    assert FORBIDDEN in answer.text
    assert "sessionid" not in session.cookies
    assert session.get(f"{site.url}/api/cone/?ra=0&dec=0&radius=1&requestType=count").status_code == 401


def test_too_many_wrong_passwords(site: Any) -> None:
    for _ in range(guesses.BY_ACCOUNT):
        _logged_in(site.url, "wrong horses")
    _, answer = _logged_in(site.url)
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.text


@pytest.mark.parametrize("given", [{}, {"csrfmiddlewaretoken": ""}, {"csrfmiddlewaretoken": "0" * 32}])
def test_a_forged_log_in_is_refused(site: Any, given: dict[str, str]) -> None:
    form = {"username": "anna", "password": PASSWORD} | given
    with httpx.Client(base_url=site.url) as client:
        assert client.post("/accounts/login/", data=form).status_code == 403
        client.get("/accounts/login/")
        answer = client.post("/accounts/login/", data=form)
    assert answer.status_code == 403
    assert "403 Forbidden" in answer.text
    assert "sessionid" not in answer.cookies


def test_the_session_is_new_at_each_log_in_and_ends_by_logging_out(site: Any) -> None:
    session, _ = _logged_in(site.url)
    first = {str(name): str(value) for name, value in session.cookies.items()}
    form = {"username": "anna", "password": PASSWORD, "csrfmiddlewaretoken": first["csrftoken"]}
    session.post(f"{site.url}/accounts/login/", data=form)
    second = {str(name): str(value) for name, value in session.cookies.items()}
    assert first["sessionid"] != second["sessionid"]
    assert first["csrftoken"] != second["csrftoken"]

    def account(cookies: dict[str, str]) -> str:
        return httpx.get(f"{site.url}/accounts/login/", headers=_cookies(cookies)).text

    def log_out(csrf: str) -> int:
        form = {"csrfmiddlewaretoken": csrf}
        return httpx.post(f"{site.url}/accounts/logout/", headers=_cookies(second), data=form).status_code

    assert "anna" not in account(first)
    assert log_out(first["csrftoken"]) == 403
    assert "anna" in account(second)
    assert log_out(second["csrftoken"]) == 302
    assert "anna" not in account(second)


def _cookies(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def test_cookies_are_as_safe_as_they_can_be(site: Any) -> None:
    token = httpx.get(f"{site.url}/accounts/login/").cookies["csrftoken"]
    form = {"username": "anna", "password": PASSWORD, "csrfmiddlewaretoken": token}
    for scheme, secure in (("http", False), ("https", True)):
        header = {"X-Forwarded-Proto": scheme, "Cookie": f"csrftoken={token}"}
        answer = httpx.post(f"{site.url}/accounts/login/", data=form, headers=header)
        found = {text.partition("=")[0]: text.lower() for text in answer.headers.get_list("set-cookie")}
        assert set(found) == {"sessionid", "csrftoken"}
        for text in found.values():
            assert "path=/" in text
            assert "samesite=lax" in text
            assert ("secure" in text) == secure
        assert "httponly" in found["sessionid"]
        assert "httponly" not in found["csrftoken"]


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_the_log_in_leads_to_no_other_site(site: Any, onward: str) -> None:
    with httpx.Client(base_url=site.url) as client:
        token = client.get("/accounts/login/", params={"next": onward}).cookies["csrftoken"]
        form = {"username": "anna", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": onward}
        assert client.post("/accounts/login/", data=form).headers["location"] == "/"


def test_what_a_user_types_is_escaped_and_inline_scripts_are_forbidden(site: Any) -> None:
    answer = httpx.get(f"{site.url}/accounts/login/", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy

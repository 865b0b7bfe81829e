"""Visitors of the pages in tests: they log in and send forms like a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import psycopg
from fastapi.testclient import TestClient

from broker_assets.access import accounts, sessions
from broker_assets.access.passwords import hash_password
from broker_assets.api import create_app
from broker_assets.database import engine
from broker_assets.settings import Settings

PASSWORD = "correct horse"


class Visitor:
    """A browser without a screen.

    Parameters
    ----------
    client : httpx.Client
        It keeps the cookies.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Open a page."""
        return self.client.get(path, headers={"Accept": "text/html"} | options.pop("headers", {}), **options)

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """Send a form with the CSRF token."""
        value = {"csrfmiddlewaretoken": self.client.cookies.get("csrftoken", "")}
        headers = {"Accept": "text/html"} | options.pop("headers", {})
        return self.client.post(path, data=value | (form or {}), headers=headers, follow_redirects=False, **options)

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """Log in by the form."""
        self.get("/accounts/login/")
        return self.post("/accounts/login/", {"username": name, "password": password})


@contextmanager
def application(settings: Settings) -> Iterator[Any]:
    """The application in this process, open."""
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1"):
        yield app


def visitor(app: Any) -> Visitor:
    """A visitor whom nobody knows."""
    return Visitor(TestClient(app, base_url="http://127.0.0.1"))


def logged_in(app: Any, url: str, name: str) -> Visitor:
    """A visitor with a session, without the time that a password takes."""
    found = visitor(app)
    with engine.connect(url, autocommit=True) as connection:
        cookie, csrf = sessions.begin(connection, accounts.get(connection, name))
    for key, value in (("sessionid", cookie), ("csrftoken", csrf)):
        found.client.cookies.set(key, value, domain="127.0.0.1", path="/")
    return found


def make_accounts(connection: psycopg.Connection[Any], *names: str) -> None:
    """Accounts with the password of the tests; `admin` administers, `guest` is one."""
    for name in names:
        roles = {"admin": ["administrator"], "operator": ["operator"], "guest": ["guest"]}.get(name, [])
        # `operator` is a name of the platform.
        username, email = name.replace("operator", "oper"), f"{name}@example.org"
        accounts.add_with_hash(connection, username, _hashed(), email=email, roles=roles)


@cache
def _hashed() -> str:
    """The hash of the password, which takes time."""
    return hash_password(PASSWORD)

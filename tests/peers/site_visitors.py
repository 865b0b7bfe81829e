"""Visitors of the pages: guests and accounts, each with a client that behaves like a browser without scripts."""

from __future__ import annotations

import re
from typing import Any

import httpx
import psycopg

from broker_assets.access import accounts, sessions
from broker_assets.access.accounts import User


class Visitor:
    """Somebody who looks at pages and sends forms.

    Parameters
    ----------
    url : str
        The server.
    connection : psycopg.Connection, optional
        Where the account is made; a guest has none.
    name : str
        Of the account.
    **options
        As of `accounts.add`.
    """

    def __init__(
        self, url: str, connection: psycopg.Connection[Any] | None = None, name: str = "", **options: Any
    ) -> None:
        self.user: User | None = None
        self.csrf = ""
        self.client = httpx.Client(base_url=url, headers={"Accept": "text/html,*/*"}, timeout=60)
        if connection is not None:
            groups = options.pop("groups", [])
            self.user = accounts.add(connection, name, None, **options)
            accounts.join(connection, self.user.userid, groups)
            cookie, self.csrf = sessions.begin(connection, self.user)
            self.client.cookies.set("sessionid", cookie)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A page."""
        return self.client.get(path, **options)

    def text(self, path: str) -> str:
        """The text of a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])
        return answer.text

    def send(
        self, path: str, *, file: tuple[str, bytes] | None = None, forged: bool = False, **fields: Any
    ) -> httpx.Response:
        """Send a form with the value of the session, or without it."""
        data = dict(fields) if forged else {"csrfmiddlewaretoken": self.csrf, **fields}
        return self.client.post(path, data=data, files={"file": file} if file is not None else None)

    def done(self, path: str, **fields: Any) -> str:
        """Send a form that must succeed; where the browser is sent."""
        answer = self.send(path, **fields)
        assert answer.status_code == 303, (path, answer.status_code, answer.text[-2000:])
        return str(answer.headers["location"])

    def close(self) -> None:
        """Close the client."""
        self.client.close()


def signed_in(browser: Any, url: str, visitor: Visitor) -> None:
    """Let a browser (`page_browser`) have the session of a visitor; other tests of that browser set their own."""
    for name, value in visitor.client.cookies.items():
        browser._call("Network.setCookie", name=name, value=value, url=url)


def number_in(address: str) -> int:
    """The first number of an address."""
    found = re.search(r"/(\d+)/", address)
    assert found is not None, address
    return int(found[1])


def without_markup(text: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())

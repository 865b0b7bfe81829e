"""Pages of accounts in a real browser: on a phone nothing sideways, and nothing that axe-core minds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from page_browser import PHONE, PageBrowser

from broker_assets.access import accounts, tokens

pytestmark = [pytest.mark.database, pytest.mark.browser]
PAGES = {
    "": ("/accounts/login/", "/password_reset/", "/register/"),
    "ann": ("/profile/",),
    "guest": ("/profile/",),
    "admin": ("/admin/", "/admin/accounts/ann/", "/admin/groups/", "/admin/changes/"),
}


@pytest.fixture(scope="module")
def address(pages: Any) -> Iterator[str]:
    """Of a server of the same application."""
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "log_level": "warning", "ws": "none", "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(pages.app, **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_pages_fit_a_phone_and_are_accessible(
    pages: Any, connection: Any, address: str, page_browser: PageBrowser
) -> None:
    tokens.create(connection, accounts.get(connection, "ann"), "a script with quite a long name " * 3, days=3)
    browser = page_browser
    host = address.partition("//")[2]
    wrong = []
    for name, paths in PAGES.items():
        cookie = pages.user(name).client.cookies["sessionid"] if name else ""
        for path in paths:
            browser._call("Network.setCookie", name="sessionid", value=cookie, url=address)
            browser.go(f"{address}{path}", PHONE, dark=path == "/profile/")
            assert browser.evaluate("document.querySelectorAll('h1').length") == 1, path
            if browser.sideways() > 0:
                wrong.append(f"{path} is {browser.sideways()} pixels too wide")
            wrong += [f"{path}: {problem}" for problem in browser.inaccessible()]
    assert wrong == []
    assert browser.troubles == []
    assert browser.hosts <= {host}


def test_a_token_is_made_and_copied(pages: Any, connection: Any, address: str, page_browser: PageBrowser) -> None:
    browser, user = page_browser, pages.user("oper")
    for name in ("sessionid", "csrftoken"):
        browser._call("Network.setCookie", name=name, value=user.client.cookies[name], url=address)
    browser.go(f"{address}/profile/")
    form = "document.querySelector('form[action=\"/profile/tokens/\"]')"
    browser.evaluate(f"{form}.elements.namedItem('name').value = 'mine'; {form}.querySelector('button').click(); 0")
    browser.soon("document.getElementById('new-token')")
    token = browser.evaluate("document.getElementById('new-token').textContent")
    bearer = tokens.bearer(connection, token)
    assert bearer is not None
    assert bearer.user.username == "oper"
    assert browser.evaluate("document.querySelector('[data-copy]').dataset.copy") == token

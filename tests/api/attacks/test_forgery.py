"""Requests that another site makes through a user's browser, sessions that somebody else chose, and other hosts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from every_route import every_route, filled, read_paths
from visitors import PASSWORD

from broker_assets.access import accounts, sessions
from broker_assets.api.login import local
from broker_assets.database import engine

pytestmark = pytest.mark.database
READING = ("cone", "query", "object", "sherlock")
"""Of Lasair's interface: they read by POST."""
FASTDB = "/fastdb/"
"""Its client has no value of the session: what changes something takes JSON, which no form of another site sends."""
EVIL = {"Origin": "https://evil.example"}


def _changing(ground: Any) -> list[tuple[str, str]]:
    found = every_route(ground.app)
    return [(method, filled(path, ground.values)) for method, path in found if method not in ("GET", "HEAD")]


@pytest.mark.parametrize("name", ["victim", "admin"])
def test_nothing_is_changed_without_the_value_of_the_session(ground: Any, name: str) -> None:
    user, before = ground.user(name), ground.state()
    form = {"name": "victim", "current": PASSWORD, "public": "on", "role_administrator": "1", "active": "1"}
    for method, address in _changing(ground):
        if address.strip("/").partition("/")[2] in READING or address.startswith(f"{FASTDB}auth/logout"):
            continue
        for value in ({}, {"csrfmiddlewaretoken": "0" * 32}):
            answer = user.client.request(method, address, data=form | value, follow_redirects=False)
            read = address.startswith(FASTDB) and answer.status_code == 200
            assert read or 400 <= answer.status_code < 500, f"{method} {address} answers {answer.status_code}"
    assert ground.state() == before


def test_a_page_of_another_site_is_refused_even_with_it(ground: Any) -> None:
    user, before = ground.user("victim"), ground.state()
    for method, address in _changing(ground):
        value = {"csrfmiddlewaretoken": user.client.cookies["csrftoken"]}
        for headers in (EVIL, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert user.client.request(method, address, data=value, headers=headers).status_code == 403, address
    assert ground.state() == before


def test_pages_are_compressed_and_repeat_no_secret(ground: Any) -> None:
    """What a compressed page has in common with an address that somebody else chose shows in its size (BREACH)."""
    user = ground.user("victim")
    seen: set[str] = set()
    value = user.client.cookies["csrftoken"]
    for path in ("/", "/", "/profile/", "/accounts/login/", "/search/victim", "/targets/"):
        answer = user.get(path)
        assert answer.headers["content-encoding"] in ("gzip", "zstd"), path
        assert value not in answer.text, path
        found = set(re.findall(r"[0-9a-f]{64}", answer.text))
        assert len(found) == 1, path
        assert not found & seen, "the value is another one in each page"
        seen |= found
    assert (
        ground.user("victim").get("/", headers={"Accept-Encoding": "identity"}).headers.get("content-encoding") is None
    )
    masked = seen.pop()
    for wrong in (masked[:-1] + ("1" if masked[-1] == "0" else "0"), masked[:32], masked[32:], "0" * 64, "é" * 64):
        form = {"csrfmiddlewaretoken": wrong}
        assert user.client.post("/profile/sessions/", data=form, follow_redirects=False).status_code == 403, wrong
    codes = [
        user.client.post("/elasticc2/classids", json={}, headers={"X-CSRFToken": one}).status_code
        for one in (masked, value, "0" * 64)
    ]
    assert codes == [200, 200, 403]


def test_no_get_changes_anything(ground: Any) -> None:
    user, before = ground.user("victim"), ground.state()
    for path in read_paths(ground.app):
        user.get(filled(path, ground.values), params={"name": "x", "public": "on"}, follow_redirects=False)
    assert ground.state() == before


def test_a_session_that_somebody_else_chose_is_not_taken(ground: Any) -> None:
    chosen = "f" * 32
    visitor = ground.anybody()
    visitor.client.cookies.set("sessionid", chosen, domain="127.0.0.1", path="/")
    visitor.client.cookies.set("csrftoken", chosen, domain="127.0.0.1", path="/")
    answer = visitor.post("/accounts/login/", {"username": "mallory", "password": PASSWORD})
    assert answer.status_code == 302
    found = dict(answer.cookies)
    assert chosen not in found.values()
    with engine.connect(ground.url, autocommit=True) as connection:
        assert sessions.find(connection, chosen) is None
        mine, _ = sessions.begin(connection, accounts.get(connection, "mallory"))
    visitor = ground.anybody()
    visitor.client.cookies.set("sessionid", mine, domain="127.0.0.1", path="/")
    visitor.client.cookies.set("csrftoken", chosen, domain="127.0.0.1", path="/")
    visitor.post("/accounts/login/", {"username": "victim", "password": PASSWORD})
    with engine.connect(ground.url, autocommit=True) as connection:
        assert sessions.find(connection, mine) is None


ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "/%09/evil.example", " //evil.example", "\n//evil.example", "https:evil.example",
    "https:/evil.example", "//evil.example\\@", "javascript:alert(1)", "data:text/html,x", "/\u2028/evil.example",
    "/x\r\nLocation: https://evil.example", "/\x00/", "//127.0.0.1@evil.example", "http://127.0.0.1.evil.example/",
    "/.//evil.example\\..", "", "evil.example", "?next=//evil",
)  # fmt: skip


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_no_log_in_leads_to_another_site(ground: Any, onward: str) -> None:
    assert local(onward) == "/" or local(onward).startswith(("/%09/", "/.//evil"))
    visitor = ground.anybody()
    page = visitor.get("/accounts/login/", params={"next": onward})
    assert "evil.example" not in page.text or 'value="/' in page.text
    assert 'value="//' not in page.text


def test_other_hosts_are_refused_everywhere(ground: Any) -> None:
    visitor = ground.anybody()
    for method, path in every_route(ground.app):
        address = filled(path, ground.values)
        assert visitor.client.request(method, address, headers={"Host": "evil.example"}).status_code == 403, address
    for host in ("127.0.0.1.evil.example", "evil.example:8000", "127.0.0.1@evil.example", "[::1", "localhost.evil"):
        assert visitor.client.get("/accounts/login/", headers={"Host": host}).status_code == 403
    for name in ("X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"):
        for path in ("/", "/accounts/login/", "/openapi.json", "/password_reset/"):
            assert "evil.example" not in visitor.get(path, headers={name: "host=evil.example"}).text

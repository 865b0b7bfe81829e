"""Logging in at a provider, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from pydantic import SecretStr

from broker_assets.access import accounts
from broker_assets.settings.access import OpenIdSettings

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def provider(pages: Any) -> Iterator[OpenIdProvider]:
    with openid_provider() as found:
        settings = OpenIdSettings(
            issuer=found.issuer, client_id=CLIENT, client_secret=SecretStr(SECRET), name="the <University>"
        )
        pages.app.state.access.openid = settings
        yield found
        pages.app.state.access.openid = OpenIdSettings()


def begin(visitor: Any, onward: str = "") -> str:
    """Begin, log in at the provider, and give the path that it sends the browser back to."""
    answer = visitor.get("/accounts/openid/", params={"next": onward}, follow_redirects=False)
    assert answer.status_code == 302
    back = requests.get(answer.headers["location"], allow_redirects=False, timeout=10).headers["Location"]
    prefix = "https://broker.example.org"
    assert back.startswith(f"{prefix}/accounts/openid/callback/?")
    return str(back.removeprefix(prefix))


def test_a_person_logs_in_and_gets_an_account(pages: Any, connection: Any, provider: OpenIdProvider) -> None:
    visitor = pages.anybody()
    assert "Log in with the &lt;University&gt;" in visitor.get("/accounts/login/").text
    answer = visitor.get(begin(visitor, "/profile/"), follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/profile/")
    assert "zoe" in visitor.get("/profile/").text
    assert accounts.get(connection, "zoe").roles == frozenset()
    again = pages.anybody()
    again.get(begin(again))
    assert accounts.get(connection, "zoe").username in again.get("/profile/").text


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_it_leads_to_no_other_site(pages: Any, connection: Any, provider: OpenIdProvider, onward: str) -> None:
    visitor = pages.anybody()
    assert visitor.get(begin(visitor, onward), follow_redirects=False).headers["location"] == "/"


def test_a_log_in_that_began_elsewhere_is_not_finished_here(
    pages: Any, connection: Any, provider: OpenIdProvider
) -> None:
    thief, victim = pages.anybody(), pages.anybody()
    back = begin(thief)
    assert victim.get(back).status_code == 403
    begin(victim)
    assert victim.get(back).status_code == 403
    assert "sessionid" not in victim.client.cookies
    back = begin(thief)
    for wrong in (back.replace("state=", "state=x"), back.partition("?")[0], back.replace("iss=http", "iss=https")):
        assert thief.get(wrong).status_code == 403
        back = begin(thief)


def test_a_session_that_was_there_before_does_not_stay(pages: Any, connection: Any, provider: OpenIdProvider) -> None:
    visitor = pages.anybody()
    visitor.client.cookies.set("sessionid", "0" * 32, domain="127.0.0.1", path="/")
    visitor.get(begin(visitor))
    assert visitor.client.cookies.get("sessionid", domain="127.0.0.1") != "0" * 32


def test_without_a_provider_there_is_no_such_page(pages: Any) -> None:
    known, pages.app.state.access.openid = pages.app.state.access.openid, OpenIdSettings()
    try:
        for path in ("/accounts/openid/", "/accounts/openid/callback/?code=x&state=y"):
            assert pages.anybody().get(path, follow_redirects=False).status_code == 404
    finally:
        pages.app.state.access.openid = known

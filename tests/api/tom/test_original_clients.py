"""The clients of DESC's TOM at a server process, request by request: `tom_client.py`, and AMPEL's `ElasticcTomClient`.

Their dialogues are written here in our own words, after the contract (1.1, 1.2); what the server sends is compared down
to the attributes of cookies.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from fastapi import FastAPI
from manage import create_test_users
from run_original_tests import served
from tom_connection import disconnect

from broker_assets.access import accounts, tokens
from broker_assets.api import tom
from broker_assets.database import engine
from broker_assets.settings import Settings

pytestmark = [pytest.mark.database, pytest.mark.shared, pytest.mark.slow]

WRONG = "Please enter a correct"
YEAR, FORTNIGHT = "31449600", "1209600"


@pytest.fixture(scope="module")
def address(
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    tom_snapshot_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, str]]:
    """Addresses of a server process over a copy of the snapshot with the accounts of the tests, and of the database."""
    home = tmp_path_factory.mktemp("clients")
    with new_database(tom_snapshot_template) as name, pytest.MonkeyPatch.context() as patch:
        url = postgres.url(name)
        patch.setenv("BROKER_DATABASE__URL", url)
        create_test_users()
        disconnect()
        environment = {**os.environ, "BROKER_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[3])}
        with served(environment, home / "server.log") as site:
            yield site, url


@pytest.fixture(scope="module")
def site(address: tuple[str, str]) -> str:
    return address[0]


class Wire:
    """A connection on which nothing is added to what a client sends, and cookies are kept as a session does."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.cookies: dict[str, Morsel[str]] = {}
        self.headers = {"User-Agent": "python-requests/2.32.0", "Accept": "*/*"}

    def send(
        self, method: str, path: str, *, form: Any = None, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """One request; no redirect is followed."""
        values = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            values["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        content = b""
        if form is not None:
            content, values["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif body is not None:
            content, values["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection(urlsplit(self.site).netloc, timeout=60)
        try:
            connection.request(method, path, content, values)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or ():
                self.cookies |= SimpleCookie(line)
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def log_in(self, name: str, password: str) -> tuple[int, http.client.HTTPMessage, str]:
        """Requests 1 and 2."""
        assert self.send("GET", "/accounts/login/")[0] == 200
        csrf = self.cookies["csrftoken"].value
        form = {"username": name, "password": password, "csrfmiddlewaretoken": csrf}
        return self.send("POST", "/accounts/login/", form=form)


def attributes(morsel: Morsel[str]) -> tuple[int, str, str, str, bool, bool]:
    return (
        len(morsel.value), morsel["max-age"], morsel["path"], morsel["samesite"].lower(), bool(morsel["httponly"]),
        bool(morsel["secure"]),
    )  # fmt: skip


def test_the_dialogue_of_tom_client(site: str) -> None:
    wire = Wire(site)
    status, headers, text = wire.send("GET", "/accounts/login/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert WRONG not in text
    assert attributes(wire.cookies["csrftoken"]) == (32, YEAR, "/", "lax", False, False)
    before = wire.cookies["csrftoken"].value
    form = {"username": "root", "password": "testing", "csrfmiddlewaretoken": before}
    status, headers, _ = wire.send("POST", "/accounts/login/", form=form)
    assert (status, headers["Location"]) == (302, "/")
    assert attributes(wire.cookies["csrftoken"]) == (32, YEAR, "/", "lax", False, False)
    assert attributes(wire.cookies["sessionid"]) == (32, FORTNIGHT, "/", "lax", True, False)
    after = wire.cookies["csrftoken"].value
    assert after != before
    # The redirect is followed with both cookies.
    status, _, text = wire.send("GET", "/")
    assert status == 200
    assert WRONG not in text
    # Everything later has the header, reading too; neither Referer nor Origin is sent.
    for method in ("GET", "POST"):
        status, headers, text = wire.send(method, "/elasticc2/classids", X_CSRFToken=after)
        assert (status, headers.get_content_type(), len(json.loads(text))) == (200, "application/json", 42)
    status, _, text = wire.send("POST", "/elasticc2/ltcv", body={"objectid": 1552185}, X_CSRFToken=after)
    assert len(json.loads(text)["diaobject"][0]["photometry"]["mjd"]) == 32
    # A GET needs no header, also with the misspelt name of the old example; its body is read.
    status, _, text = wire.send("GET", "/elasticc2/ltcv", body={"objectid": 1552185}, X_CSRFTokien=after)
    assert len(json.loads(text)["diaobject"]) == 1
    forgeries: tuple[dict[str, str], ...] = ({}, {"X_CSRFToken": before})
    # Without it, or with the one from before the log-in, nothing is changed.
    for others in forgeries:
        for method, path in (("POST", "/elasticc2/ltcv"), ("PUT", "/elasticc2/brokermessage/")):
            status, headers, text = wire.send(method, path, form=None, body=[], **others)
            assert (status, headers.get_content_type()) == (403, "text/html")
            assert "<title>403 Forbidden</title>" in text


def test_what_tom_client_takes_for_a_failure(site: str) -> None:
    wire = Wire(site)
    status, _, text = wire.log_in("root", "wrong")
    assert status == 200
    assert "Please enter a correct username and password." in text
    assert "sessionid" not in wire.cookies
    # Without the value of the form.
    assert wire.send("POST", "/accounts/login/", form={"username": "root", "password": "testing"})[0] == 403
    assert Wire(site).send("GET", "/not/accounts/login/")[0] == 404


def test_the_dialogue_of_ampel(site: str) -> None:
    reports = [
        {
            "alertId": 10**9 + number, "diaSourceId": 10**9 + number, "elasticcPublishTimestamp": 1_700_000_000_123,
            "brokerIngestTimestamp": 1_700_000_000_123.5, "brokerName": "AMPEL", "brokerVersion": "v0.8",
            "classifierName": classifier, "classifierParams": "1",
            "classifications": [{"classId": 2222, "probability": 0.75}, {"classId": 200, "probability": 0.25}],
        }
        for number in range(500)
        for classifier in ("snn", "other")
    ]  # fmt: skip
    wire = Wire(site)
    # It looks at no status, and sends the token with each request.
    wire.log_in("apibroker", "testing")
    token = wire.cookies["csrftoken"].value
    for path in ("/elasticc2/brokermessage/", "/elasticc2/brokermessage"):
        status, headers, text = wire.send("PUT", path, body=reports, X_CSRFToken=token)
        answer = json.loads(text)
        assert (status, headers["Location"]) == (201, f"{site}/elasticc2/brokermessage/{answer['brokerMessageId']}")
        # The same batch again, as after an answer that was lost.
        loaded = 1000 if path.endswith("/") else 0
        assert (answer["num_loaded"], answer["num_known"]) == (loaded, 1000 - loaded)
    status, _, text = wire.send("PUT", "/elasticc/brokermessage/", body=reports[:1], X_CSRFToken=token)
    assert (status, text) == (403, "ELAsTiCC is over, posting classifications is disabled.")
    # A wrong password is found out by the first upload.
    stranger = Wire(site)
    stranger.log_in("apibroker", "wrong")
    token = stranger.cookies["csrftoken"].value
    status, _, text = stranger.send("PUT", "/elasticc2/brokermessage/", body=reports[:1], X_CSRFToken=token)
    assert (status, "403 Forbidden" in text) == (403, True)


def test_tokens_are_given_in_the_form_of_the_original(site: str) -> None:
    given: tuple[dict[str, Any], ...] = tuple(
        {how: {"username": "root", "password": "testing"}} for how in ("json", "data")
    )
    for options in given:
        answer = requests.post(f"{site}/api/token-auth/", timeout=60, **options)
        (token,) = answer.json().values()
        assert (len(token), list(answer.json())) == (40, ["token"])
    found = requests.get(f"{site}/elasticc2/classids", headers={"Authorization": f"Token {token}"}, timeout=60)
    assert len(found.json()) == 42


def addresses() -> list[tuple[str, str]]:
    """Every method and address of the interface, with numbers in place of what varies."""
    app = FastAPI()
    tom.add_to(app, Settings())
    places = {
        "{number:int}": "1", "{number}": "1552185", "{identifier}": "00000000-0000-4000-8000-000000000000",
        "{what:path}": "1", "{form}/{what}/{classifier:int}/{classid:int}": "json/objects/4/2222",
    }  # fmt: skip
    found = []
    for route in app.routes:
        path = str(getattr(route, "path", ""))
        if not path.startswith(("/elasticc", "/db/")):
            continue
        for place, value in places.items():
            path = path.replace(place, value)
        found += [(method, path) for method in sorted(getattr(route, "methods", ())) if method != "HEAD"]
    return found


def test_a_token_is_taken_at_every_address_and_nothing_redirects(address: tuple[str, str]) -> None:
    site, url = address
    with engine.connect(url, autocommit=True) as connection:
        token = tokens.create(connection, accounts.get(connection, "root"), "test", "write")
    session = requests.Session()
    tried = addresses()
    assert len(tried) >= 150
    for method, path in tried:
        headers = {"Authorization": f"Token {token}"}
        answer = session.request(
            method, f"{site}{path}", headers=headers, json={}, timeout=60, allow_redirects=False
        )  # fmt: skip
        over = path.startswith("/elasticc/brokermessage") and method == "PUT"
        assert answer.status_code not in (301, 302, 401), (method, path)
        assert (answer.status_code == 403) == over, (method, path, answer.text)
    session.close()

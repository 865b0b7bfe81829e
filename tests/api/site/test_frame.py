"""The frame of every page: what it may load, its menu, and errors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from broker_assets.api import create_app
from broker_assets.api.site import frame
from broker_assets.api.site.frame import page
from broker_assets.settings import Settings

HTML = {"Accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = create_app(Settings())
    router = APIRouter()

    @router.get("/teapot/{number}")
    def teapot(request: Request, number: int) -> Any:
        if number == 2:
            raise ValueError("a secret")
        if number:
            raise HTTPException(403, "<b>not yours</b>")
        return page(request, "error.html", what="", status=200, number="", allow={"script-src": ["'wasm-unsafe-eval'"]})

    app.include_router(router)
    return app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost")


def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_script(client: TestClient) -> None:
    answer = client.get("/", headers=HTML)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert client.get(address.replace("&amp;", "&")).status_code == 200


def test_a_page_may_allow_itself_more(client: TestClient) -> None:
    assert "script-src 'self' 'wasm-unsafe-eval';" in client.get("/teapot/0").headers["content-security-policy"]


def test_landmarks_and_one_heading(client: TestClient) -> None:
    text = client.get("/", headers=HTML).text
    for mark in (
        '<html lang="en">',
        'class="skip" href="#main"',
        "<header",
        "<nav",
        '<main id="main"',
        'role="search"',
    ):
        assert mark in text
    assert text.count("<h1") == 1


def test_the_menu_has_the_pages_that_there_are(app: FastAPI, client: TestClient) -> None:
    known = {path for path, _ in frame.menu_of(app)}
    assert {"/", "/status/"} <= known
    for path in known:
        assert client.get(path, headers=HTML).status_code in (200, 503)
    assert not frame.is_served(app, "/nothing-of-this-name/")
    assert 'href="/status/" aria-current="page"' in client.get("/status/").text


def test_errors_are_pages_for_browsers_and_json_for_programs(client: TestClient) -> None:
    missing = client.get("/nothing", headers=HTML)
    assert missing.status_code == 404
    assert "There is no such page." in missing.text
    assert client.get("/nothing").json() == {"detail": "Not Found"}
    refused = client.get("/teapot/1", headers=HTML)
    assert refused.status_code == 403
    assert "&lt;b&gt;not yours" in refused.text
    assert client.get("/teapot/x", headers=HTML).status_code == 400
    assert client.get("/teapot/x").status_code == 422
    assert client.get("/api/nothing", headers=HTML).json() == {"detail": "Not Found"}


def test_without_a_database_a_page_says_so_and_nobody_is_logged_in(client: TestClient) -> None:
    client.cookies.set("sessionid", "x" * 32)
    answer = client.get("/", headers=HTML)
    client.cookies.clear()
    assert answer.status_code == 200
    assert "Log in" in answer.text


def test_an_error_of_the_program_is_a_page_that_says_nothing_of_it(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    answer = client.get("/teapot/2", headers=HTML)
    assert answer.status_code == 500
    assert "error of the broker" in answer.text
    assert "secret" not in answer.text
    assert client.get("/teapot/2").text == "Internal Server Error"

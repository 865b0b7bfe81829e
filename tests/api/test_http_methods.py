"""HEAD, and the slash at the end of a path, at every address of the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from every_route import every_route, filled
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from broker_assets.api import create_app
from broker_assets.api.http_methods import HeadAsGet, name_every_method, take_either_slash
from broker_assets.settings import Settings

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def asked(app: Any, *requests: tuple[str, str], **options: Any) -> list[httpx.Response]:
    """Answers of an application without a server."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [await client.request(method, path, **options) for method, path in requests]

    return asyncio.run(asyncio.wait_for(ask(), 120))


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings(streams=[]))


def small() -> FastAPI:
    app = FastAPI()
    app.add_middleware(HeadAsGet)
    take_either_slash(app)
    name_every_method(app)
    app.state.ended = False

    @app.get("/rows")
    def rows() -> dict[str, int]:
        return {"rows": 3}

    @app.get("/endless")
    def endless() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            try:
                while True:
                    yield "more\n"
                    await asyncio.sleep(0.001)
            finally:
                app.state.ended = True

        return StreamingResponse(lines(), media_type="text/plain")

    @app.post("/note/")
    async def note(request: Request) -> dict[str, str]:
        return {"body": (await request.body()).decode(), "path": request.url.path}

    @app.put("/note/{number}")
    async def change(number: int, request: Request) -> dict[str, str]:
        return {"body": (await request.body()).decode()}

    @app.get("/note/{number}")
    def read(number: int) -> int:
        return number

    @app.get("/page/")
    def page() -> str:
        return "page"

    return app


def test_head_has_the_header_of_get_and_no_body() -> None:
    get, head = asked(small(), ("GET", "/rows"), ("HEAD", "/rows"))
    assert (get.json(), head.status_code, head.content) == ({"rows": 3}, 200, b"")
    assert head.headers == get.headers
    assert head.headers["content-length"] == str(len(get.content))
    assert [one.status_code for one in asked(small(), ("HEAD", "/none"), ("HEAD", "/note/"))] == [404, 405]


def test_head_does_not_wait_for_an_answer_without_end() -> None:
    app = small()
    (head,) = asked(app, ("HEAD", "/endless"))
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/plain; charset=utf-8", b"")
    assert app.state.ended


def test_a_body_arrives_whatever_the_slash() -> None:
    found = asked(small(), ("POST", "/note"), ("POST", "/note/"), ("PUT", "/note/5/"), content=b"x")
    assert [(one.status_code, one.json()["body"]) for one in found] == [(200, "x")] * 3
    assert found[0].json()["path"] == "/note/"
    reads, neither, wrong = asked(small(), ("GET", "/page?a=1"), ("POST", "/no"), ("POST", "/page"))
    assert (reads.status_code, reads.headers["location"]) == (307, "http://127.0.0.1/page/?a=1")
    assert (neither.status_code, wrong.status_code) == (404, 405)


def test_a_refused_method_is_answered_with_all_methods_of_the_path() -> None:
    found = asked(small(), ("DELETE", "/note/5"), ("DELETE", "/note/5/"), ("PUT", "/note"), ("POST", "/rows"))
    assert [one.status_code for one in found] == [405] * 4
    assert [one.headers["allow"] for one in found] == ["GET, HEAD, PUT", "GET, HEAD, PUT", "POST", "GET, HEAD"]


def test_every_address_names_its_methods_when_it_refuses_one(app: FastAPI) -> None:
    """Every path with several methods, except those that refuse a method themselves, like their originals."""
    methods: dict[str, set[str]] = {}
    for method, path in every_route(app):
        if not path.startswith("/fastdb"):
            methods.setdefault(filled(path, {}), set()).add(method)
    missing = {path: set(UNSAFE) - known for path, known in methods.items() if len(known - {"HEAD"}) > 1}
    answers = asked(app, *((sorted(others)[0], path) for path, others in sorted(missing.items()) if others))
    refused = [one for one in answers if one.status_code == 405 and "elasticc" not in one.request.url.path]
    assert len(refused) > 20
    for one in refused:
        known = methods[one.request.url.path]
        assert set(one.headers["allow"].split(", ")) == known | ({"HEAD"} if "GET" in known else set()), one.url.path


def test_every_address_answers_head_and_redirects_nothing_that_changes_something(app: FastAPI) -> None:
    routes = {(method, filled(path, {})) for method, path in every_route(app)}
    heads = sorted(("HEAD", path) for method, path in routes if method == "GET")
    assert len(heads) > 200
    refused = [one.url.path for one in asked(app, *heads) if one.status_code == 405]
    # What the original of the TOM answers with 405 to every reading method.
    posts = {path for method, path in routes if method == "POST"}
    assert set(refused) <= posts
    changes = sorted((method, path) for method, path in routes if method in UNSAFE)
    assert len(changes) > 200
    other = [(method, path.rstrip("/") if path.endswith("/") else f"{path}/") for method, path in changes]
    redirected = [
        (one.request.method, one.url.path)
        for one in asked(app, *other)
        if one.has_redirect_location and one.headers["location"].rstrip("/").endswith(one.url.path.rstrip("/"))
    ]
    assert redirected == []

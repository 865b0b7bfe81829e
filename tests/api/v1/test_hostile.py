"""Hostile values in every parameter of the document: an answer or a problem, never a failure of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from broker_assets.api.v1.compatibility import document_now

pytestmark = pytest.mark.database

VALUES = ("' OR 1=1; --", "\x00", "nan", "9" * 40, "ä\u202e<script>")
USUAL = {"table": "diasources", "kind": "science", "name": "a", "asset": "sources", "ra": "10", "dec": "10", "ids": "7"}


def questions() -> Iterator[tuple[str, str, str]]:
    """Path, parameter and where it is."""
    for path, operations in document_now()["paths"].items():
        if "get" in operations:
            for parameter in operations["get"].get("parameters", []):
                yield path, parameter["name"], parameter["in"]


def ask(client: httpx.Client, path: str, name: str, place: str, value: str) -> httpx.Response:
    required = {"ra": "10", "dec": "10"} if path == "/cone" else {"ids": "7"} if path == "/lightcurves" else {}
    for key in [part[1:-1] for part in path.replace(".", "/").split("/") if part.startswith("{")]:
        given = httpx.QueryParams({"v": value})["v"] if key == name and place == "path" else USUAL.get(key, "7")
        path = path.replace(f"{{{key}}}", "".join(f"%{byte:02X}" for byte in given.encode()))
    query: dict[str, Any] = {**required, **({name: value} if place == "query" else {})}
    with client.stream("GET", path, params=query) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):  # events never end
            answer.read()
    return answer


def test_no_parameter_breaks_the_server(v1_as: Callable[..., httpx.Client]) -> None:
    ann = v1_as("v1ann")
    bad = []
    for path, name, place in questions():
        if path.startswith("/status"):
            continue
        for value in VALUES:
            answer = ask(ann, path, name, place, value)
            kind = answer.headers.get("content-type", "")
            if answer.status_code >= 500 or (answer.status_code >= 400 and kind != "application/problem+json"):
                bad.append((path, name, value, answer.status_code))
    assert bad == []


@pytest.mark.parametrize("body", ["", "[]", "{", '{"ids": {}}', '{"ids": ["\\u0000"]}', '{"ids": [1e999]}', "\x00"])
@pytest.mark.parametrize("path", ["/objects/search", "/lightcurves", "/filters/check", "/snapshots", "/watchlists"])
def test_no_body_breaks_the_server(v1_as: Callable[..., httpx.Client], path: str, body: str) -> None:
    answer = v1_as("v1ann").post(path, content=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] in ("application/problem+json", "application/json")

"""Ranges of files, and forms of answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.testclient import TestClient

from broker_assets.api.v1 import answers, problems


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 40)
    app = FastAPI()
    problems.add_to(app)

    @app.get("/file")
    def file(request: Request) -> Response:
        return answers.file(request, tmp_path / "file", tag="abc", media_type="image/fits", name="a.fits")

    @app.get("/form")
    def form(request: Request, format: str | None = None) -> Response:  # noqa: A002
        return answers.document(request, {"form": answers.chosen_form(request, format)})

    @app.get("/fixed")
    def fixed(request: Request) -> Response:
        return answers.immutable(request, "t", {"Cache-Control": "immutable"}, lambda: Response(b"x"))

    return TestClient(app)


def test_ranges(client: TestClient) -> None:
    whole = client.get("/file")
    assert (whole.status_code, len(whole.content), whole.headers["accept-ranges"]) == (200, 10240, "bytes")
    part = client.get("/file", headers={"Range": "bytes=250-259"})
    assert (part.status_code, part.content) == (206, whole.content[250:260])
    assert part.headers["content-range"] == "bytes 250-259/10240"
    assert client.get("/file", headers={"Range": "bytes=-3"}).content == whole.content[-3:]
    assert client.get("/file", headers={"Range": "bytes=10000-"}).content == whole.content[10000:]
    changed = client.get("/file", headers={"Range": "bytes=0-1", "If-Range": '"old"'})
    assert (changed.status_code, len(changed.content)) == (200, 10240)
    assert client.get("/file", headers={"If-None-Match": '"abc"'}).status_code == 304


@pytest.mark.parametrize("header", ["bytes=20000-", "bytes=5-2", "bytes=-", "bytes=0-1,3-4", "lines=1-2"])
def test_a_range_that_is_not_there(client: TestClient, header: str) -> None:
    answer = client.get("/file", headers={"Range": header})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10240")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/csv", "csv"),
        ("application/json;q=0.1, application/x-votable+xml", "votable"),
        ("text/csv;q=x, application/vnd.apache.parquet;q=0.2", "parquet"),
    ],
)
def test_the_form_that_a_client_accepts(client: TestClient, accept: str, form: str) -> None:
    assert client.get("/form", headers={"Accept": accept}).json() == {"form": form}
    assert client.get("/form", params={"format": "arrow"}, headers={"Accept": accept}).json() == {"form": "arrow"}


def test_what_never_changes_is_known_by_its_tag(client: TestClient) -> None:
    assert client.get("/fixed").headers["etag"] == '"t"'
    assert client.get("/fixed", headers={"If-None-Match": 'W/"t"'}).status_code == 304

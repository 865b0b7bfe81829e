"""Files of the pages are kept by browsers as long as they do not change."""

from __future__ import annotations

import gzip

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from broker_assets.api.site import files


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(files.router)
    return TestClient(app)


def test_the_address_with_the_hash_is_kept_for_a_year(client: TestClient) -> None:
    answer = client.get(files.address_of("site.css"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "--ground" in answer.text


def test_without_the_hash_browsers_ask_again(client: TestClient) -> None:
    answer = client.get("/static/site.css")
    assert "no-cache" in answer.headers["cache-control"]
    again = client.get("/static/site.css", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/site.css?v=0", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_client_without_gzip_gets_the_file_as_it_is(client: TestClient) -> None:
    answer = client.get("/static/site.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == files.static_file("site.js").content
    assert gzip.decompress(files.static_file("site.js").compressed) == answer.content


@pytest.mark.parametrize(
    "name", ["absent.css", "../files.py", "%2e%2e/files.py", "vendor", "", "/etc/passwd", "a%00.js"]
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_scripts_of_every_page_are_small() -> None:
    names = ("vendor/htmx.org/htmx.min.js", "site.js", "site.css")
    assert sum(len(files.static_file(name).compressed) for name in names) < 35_000


def test_the_page_of_an_object_is_small() -> None:
    names = ("vendor/htmx.org/htmx.min.js", "site.js", "site.css", "curve.js")
    plot = ("vendor/uplot/uPlot.iife.min.js", "vendor/uplot/uPlot.min.css")
    assert sum(len(files.static_file(name).compressed) for name in (*names, *plot)) < 60_000  # of 85,000


def test_the_editor_and_the_map_keep_their_budgets() -> None:
    names = ("vendor/htmx.org/htmx.min.js", "site.js", "site.css")
    editor = ("vendor/codemirror/codemirror.min.js", "filters.js", "filters.css")
    assert sum(len(files.static_file(name).compressed) for name in (*names, *editor)) < 230_000
    assert len(files.static_file("vendor/aladin-lite/aladin.js").compressed) < 870_000  # only when a map is opened

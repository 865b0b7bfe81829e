"""Help: documents as pages, with the reader's own address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from broker_assets.api import create_app
from broker_assets.settings import Settings


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server without a database: help is there nevertheless."""
    application = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    with TestClient(application, base_url="http://127.0.0.1:8123", raise_server_exceptions=False) as client:
        yield client


def test_all_documents_are_listed_and_open(client: TestClient) -> None:
    text = client.get("/help/").text
    assert 'href="/help/guide/nights"' in text
    assert 'href="/help/operating"' in text
    guide = text[text.index("/help/guide/") :]
    assert guide.startswith("/help/guide/first-message")
    page = client.get("/help/api").text
    assert "http://127.0.0.1:8123/api" in page
    assert "127.0.0.1:8000" not in page
    assert page.count("<h1") == 1
    assert "<table>" in page
    assert 'href="#' in page


def test_pictures_and_what_there_is_not(client: TestClient) -> None:
    assert client.get("/help/pictures/front.png").headers["content-type"] == "image/png"
    for path in ("pictures/make.py", "nothing", "pictures/..%2f..%2fpyproject.toml", "..%2fpyproject"):
        assert client.get(f"/help/{path}").status_code == 404

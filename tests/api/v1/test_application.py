"""The interface as a whole: its document is complete, and nothing of it needs another host."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker_assets.api.v1.application import PATH, TAGS, create_v1
from broker_assets.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = FastAPI()
    return create_v1(app, Settings()).openapi()


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in TAGS}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert set(operation["tags"]) <= tags, where
            assert operation["tags"], where
            assert "default" in operation["responses"], where
            answers = [code for code in operation["responses"] if code.startswith("2")]
            assert answers, where
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where}: {parameter['name']}"
            for code in answers:
                for media, content in operation["responses"][code].get("content", {}).items():
                    if media == "application/json":
                        assert "example" in content or "examples" in content, where
    assert document["servers"] == [{"url": PATH}]
    assert "Problem" in document["components"]["schemas"]


@pytest.mark.database
def test_the_document_is_served(v1: httpx.Client) -> None:
    served = v1.get("/openapi.json").json()
    assert served["openapi"].startswith("3.1")
    assert f"{PATH}/" not in "".join(served["paths"])

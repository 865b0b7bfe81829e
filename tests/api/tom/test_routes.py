"""What of the interface is served, and by which methods."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from broker_assets.api import tom
from broker_assets.settings import Settings


@pytest.fixture(scope="module")
def methods() -> dict[str, set[str]]:
    app = FastAPI()
    tom.add_to(app, Settings())
    found: dict[str, set[str]] = {}
    for route in app.routes:
        path = getattr(route, "path", "")
        found.setdefault(path, set()).update(getattr(route, "methods", None) or ())
    return found


def test_every_address_has_both_forms(methods: dict[str, set[str]]) -> None:
    ours = {path: allowed for path, allowed in methods.items() if path.startswith("/elasticc2")}
    assert len(ours) >= 40
    for path, allowed in ours.items():
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        assert ours[other] == allowed, path


def test_methods(methods: dict[str, set[str]]) -> None:
    assert methods["/elasticc2/ltcv"] >= {"GET", "POST"}
    assert "PUT" not in methods["/elasticc2/ltcv"]
    assert "PUT" in methods["/elasticc2/brokermessage/{what:path}/"]

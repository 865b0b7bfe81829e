"""Where anything comes from, and the state of the platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.database


def test_rows(v1: httpx.Client, site: Any) -> None:
    source = site.record(site.alerts[-1])["diaSource"]
    found = v1.get("/why/rows/diasources", params={"diasourceid": source["diaSourceId"]}).json()
    assert found[0]["packet"]["topic"] == "rubin-alerts"
    assert found[0]["packet"]["partition"] == 0
    assert str(site.settings.home) not in found[0]["packet"]["archive_url"]
    assert v1.get("/why/rows/diasources").status_code == 422
    assert v1.get("/why/rows/diasources", params={"diasourceid": 12}).status_code == 404
    assert v1.get("/why/rows/watchlist_hits", params={"wl_id": 1}).status_code == 404
    assert v1.get("/why/rows/objects", params={"diaobjectid": "x"}).status_code in (404, 422)


def test_products_assets_and_deliveries(v1_as: Callable[..., httpx.Client]) -> None:
    ann = v1_as("v1ann")
    assert ann.get("/why/products/nothing.fits").status_code == 404
    assert ann.get("/why/assets/sources", params={"partition": "1999-01-01"}).status_code == 404
    assert ann.get("/why/deliveries/12").status_code == 404
    assert v1_as().get("/why/deliveries/12").status_code == 401


def test_status(v1: httpx.Client, site: Any) -> None:
    found = v1.get("/status").json()
    assert found["totals"]
    assert str(site.settings.home) not in v1.get("/status").text
    assert "folders" in v1.get("/status/telemetry").json()

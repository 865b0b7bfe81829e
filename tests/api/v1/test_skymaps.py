"""Sky maps: listed, read, and what is inside."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.database


def test_sky_maps(v1: httpx.Client) -> None:
    assert v1.get("/skymaps").json() == {"skymaps": []}
    for part in ("", "/hits", "/map.fits"):
        answer = v1.get(f"/skymaps/12{part}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert v1.get("/skymaps/0").status_code == 422

"""What needs no facility: `tests/api/site/test_observations.py` has the dialogue with one, by programs too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.database


def test_without_facilities_and_requests(v1_as: Callable[..., httpx.Client], v1: Any) -> None:
    client = v1_as("observer")
    assert client.get("/facilities").json() == {"facilities": []}
    assert client.get("/observations").json() == {"observations": []}
    assert client.get("/observations/5").status_code == client.delete("/observations/5").status_code == 404
    assert v1.get("/facilities").status_code == 401

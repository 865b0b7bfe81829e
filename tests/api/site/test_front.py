"""The front page."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.database


def test_the_front_page_answers(site: Any) -> None:
    assert site.client.get("/").status_code == 200

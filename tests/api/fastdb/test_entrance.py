"""Who may come in, from where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastdb_dialogue import sent

pytestmark = pytest.mark.database


def test_other_sites_cannot_use_a_session(talk: Callable[..., Any], fastdb_site: str) -> None:
    client = talk("anna")
    from_elsewhere = client.session.post(f"{fastdb_site}/auth/logout", headers={"Origin": "https://evil.example"})
    assert from_elsewhere.status_code == 403
    assert client.send("/auth/isauth").json()["status"] is True
    assert sent(f"{fastdb_site}/auth/isauth").json() == {"status": False}

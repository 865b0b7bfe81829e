"""Who sees what: nobody in particular, an account, an operator."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import httpx
import pytest

from broker_assets.access.accounts import User
from broker_assets.api.v1.viewers import Viewer


def viewer(name: str | None, *roles: str) -> Viewer:
    if name is None:
        return Viewer(None, 10)
    return Viewer(User(1, name, "", frozenset(roles), True, datetime.datetime.now(datetime.UTC), None), 10)


def test_who_sees_what() -> None:
    assert viewer(None).sees("ann", True)
    assert not viewer(None).sees("ann", False)
    assert not viewer(None).sees("", False)
    assert viewer("ann").sees("ann", False)
    assert not viewer("bob").sees("ann", False)
    assert viewer("bob", "operator").sees("ann", False)


@pytest.mark.database
def test_tokens(v1_as: Callable[..., httpx.Client]) -> None:
    assert v1_as().get("/objects", params={"limit": 1}).status_code == 200
    assert v1_as("ann").get("/objects", params={"limit": 1}).status_code == 200
    ended = httpx.Client(base_url=str(v1_as().base_url), cookies={"sessionid": "gone"})
    assert ended.get("objects", params={"limit": 1}).status_code == 200

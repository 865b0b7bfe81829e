"""Who sees what: a guest, an account, its groups, an administrator."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from broker_assets.access.accounts import User
from broker_assets.api.v1.viewers import Viewer


@dataclass(frozen=True)
class Thing:
    owner: str
    public: bool = False


def viewer(name: str | None, *roles: str) -> Viewer:
    if name is None:
        return Viewer(None, 10)
    return Viewer(User(1, name, "", frozenset(roles), True, datetime.datetime.now(datetime.UTC), None), 10)


def test_who_sees_what() -> None:
    private, public = Thing("ann"), Thing("ann", True)
    assert viewer(None).visible("filter", [private, public], lambda thing: 1) == [public]
    assert not viewer(None).sees("filter", 1, Thing(""))
    assert viewer(None).sees("watchlist", 1, Thing("system"))
    assert viewer("ann").sees("filter", 1, private)
    assert not viewer("bob").sees("filter", 1, private)
    assert viewer("bob", "administrator").sees("filter", 1, private)
    member = viewer("bob")
    member._shared["filter"] = {"1"}
    assert member.sees("filter", 1, private)
    assert not member.sees("filter", 2, private)


@pytest.mark.database
def test_tokens(v1_as: Callable[..., httpx.Client]) -> None:
    assert v1_as().get("/objects", params={"limit": 1}).status_code == 200
    assert v1_as("ann").get("/objects", params={"limit": 1}).status_code == 200
    ended = httpx.Client(base_url=str(v1_as().base_url), cookies={"sessionid": "gone"})
    assert ended.get("objects", params={"limit": 1}).status_code == 200

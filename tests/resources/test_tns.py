"""The Transient Name Server as runs get it: only with a bot, whose key is not shown."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from broker_assets.resources.tns import Tns, TnsNotConfiguredError
from broker_assets.settings import Settings, TnsSettings


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    with tns.TnsPeer() as running:
        yield running


def test_what_is_missing_is_named_as_it_is_set() -> None:
    assert Tns.of(Settings()).missing == ["BROKER_TNS__KEY", "BROKER_TNS__BOT_ID", "BROKER_TNS__BOT_NAME"]
    half = Tns(TnsSettings(key="k", bot_name="Bot"))  # type: ignore[arg-type]
    assert half.missing == ["BROKER_TNS__BOT_ID"]
    with pytest.raises(TnsNotConfiguredError, match=r"set BROKER_TNS__BOT_ID$"):
        half.client()


def test_a_client_is_the_bot_of_the_settings(tns: ModuleType, peer: Any) -> None:
    peer.put("tns_public_objects.csv.zip", [tns.tns_row(1, "2026abc", 10.0, -5.0)])
    settings = TnsSettings(key=tns.KEY, bot_id=tns.BOT_ID, bot_name=tns.BOT_NAME, bulk_url=peer.bulk_url)
    with Tns(settings).client() as client:
        assert client.bulk_file("tns_public_objects.csv.zip")
    (request,) = peer.requests
    assert (request.agent, request.form) == (tns.MARKER, {"api_key": tns.KEY})


def test_the_key_is_not_shown(tns: ModuleType) -> None:
    resource = Tns(TnsSettings(key=tns.KEY, bot_id=tns.BOT_ID, bot_name=tns.BOT_NAME))
    assert resource.missing == []
    assert tns.KEY not in repr(resource)
    assert tns.BOT_NAME in repr(resource)

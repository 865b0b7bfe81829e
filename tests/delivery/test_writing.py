"""The bytes of messages in the format of their sink."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from delivery_peers import PlainContents
from queued_messages import MESSAGE, SINK

from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.writing import Writer, envelope, headers


class NoPlaces(PlainContents):
    def places(self, connection: Any, messages: Any) -> dict[int, Any]:
        return {}


def written(form: Any, contents: Any = None) -> bytes | MessageRefusedError:
    writer = Writer(contents or PlainContents(), pages_url="http://b.example/", authority="b.example")
    nowhere: Any = None
    return writer.values(nowhere, {2: dataclasses.replace(SINK, format=form)}, [MESSAGE])[1]


@pytest.mark.parametrize("form", ["plain", "lite", "full", "gcn"])
def test_json(form: str) -> None:
    value = written(form)
    assert isinstance(value, bytes)
    document = json.loads(value)
    if form == "gcn":
        assert document["url"] == "http://b.example/objects/5"
    else:
        assert ("alert" in document) == (form != "plain")
        assert document["late"] is True


def test_an_object_without_a_place_is_no_event_of_other_networks() -> None:
    assert isinstance(written("voevent"), bytes)
    refused = written("voevent", NoPlaces())
    assert isinstance(refused, MessageRefusedError)
    assert refused.final


def test_headers_and_envelope() -> None:
    assert dict(headers(MESSAGE, SINK)) == {
        "_format": b"json", "filter": b"3", "filter-version": b"4", "trigger": b"alert/5/6", "late": b"true",
    }  # fmt: skip
    assert dict(headers(MESSAGE, dataclasses.replace(SINK, format="voevent")))["_format"] == b"blob"
    document = json.loads(envelope(SINK, [MESSAGE], [{"diaObjectId": 5}]))
    assert document["filter"] == {"id": 3, "name": "bright", "owner": "ann"}
    assert document["matches"][0]["record"] == {"diaObjectId": 5}

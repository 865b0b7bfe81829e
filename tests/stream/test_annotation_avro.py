"""Fink's datums by the compiled reader: the same documents as fastavro gives, as far as they are needed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from broker_messages import fink, fink_schema

from broker_assets.annotations.fields import checked_fields
from broker_assets.annotations.forms import documents
from broker_assets.annotations.sources import KINDS, checked_source
from broker_assets.stream.annotation_avro import keyed_documents
from broker_assets.stream.annotation_messages import AnnotationStream, read_messages
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message

FIELDS = checked_fields(KINDS["fink"].fields)
STREAM = AnnotationStream("fink", "topic", checked_source("fink", {"kind": "fink", "topics": ["topic"]}), "0.1")


def test_the_documents_are_those_of_fastavro() -> None:
    sent = [fink(number, score=number / 7, history=number) for number in range(1, 20)]
    found = keyed_documents([(one.key, one.value) for one in sent], FIELDS.paths)
    assert sorted(found) == list(range(19))
    for number, one in enumerate(sent):
        [whole] = documents("keyed-avro", one.key, one.value)
        assert found[number]["diaObject"] == whole["diaObject"]
        assert found[number]["clf"] == whole["clf"]
        assert FIELDS.annotation(found[number], "topic") == FIELDS.annotation(whole, "topic")
        assert "cutoutScience" not in found[number]


@pytest.mark.parametrize("paths", [{"prvDiaSources.0.psfFlux"}, {"prvDiaSources"}, {"nothing"}])
def test_what_it_does_not_read_is_left_to_others(paths: set[str]) -> None:
    one = fink(7)
    assert keyed_documents([(one.key, one.value)], frozenset(paths)) == {}


def test_damaged_ones_and_odd_schemas_are_left_out() -> None:
    good, schema = fink(7), fink_schema()
    schema["fields"].append({"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}})
    messages: list[tuple[bytes | None, bytes]] = [
        (good.key, good.value[:30]), (good.key, good.value), (None, good.value), (b"{", good.value),
        (json.dumps(schema).encode(), good.value), (good.key, good.value + b"x"),
    ]  # fmt: skip
    assert list(keyed_documents(messages, FIELDS.paths)) == [1]
    read: list[Any] = read_messages(
        STREAM, [Message(0, n, -1, key, value) for n, (key, value) in enumerate(messages)], 10_000
    )
    assert [isinstance(one, Reason) for one in read] == [True, False, True, True, True, True]
    assert "1 bytes follow" in read[5].reason

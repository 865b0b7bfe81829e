"""From the rows of annotators to streams, and from their messages to annotations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker_assets.annotations.sources import checked_source
from broker_assets.stream.annotation_messages import AnnotationStream, annotator_of, object_named, read_message
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message

STREAM = AnnotationStream("fastfinder", "anno_fastfinder", checked_source("fastfinder", None), "0.7")


def message(**document: Any) -> Message:
    return Message(1, 5, 1_780_000_000_000, b"key", json.dumps(document).encode())


def test_a_stream_has_a_name_from_which_it_is_found() -> None:
    assert STREAM.name == "annotator.fastfinder.anno_fastfinder"
    assert annotator_of(STREAM.name) == ("fastfinder", "anno_fastfinder")
    assert annotator_of("annotator.ampel.ampel.lsst.extragalactic") == ("ampel", "ampel.lsst.extragalactic")
    assert annotator_of("anno_fastfinder") is None


@pytest.mark.parametrize("topic", [None, "", "fastfinder", "anno_fastfinder"])
def test_the_topic_of_a_message_is_the_annotator_or_its_kafka_topic(topic: str | None) -> None:
    found = read_message(STREAM, message(objectId="ZTF18abcdefg", classification="SN", topic=topic), 1000)
    assert isinstance(found, list)
    [item] = found
    said = item.annotation
    assert (said.topic, said.diaobjectid, said.version) == ("fastfinder", object_named("ZTF18abcdefg"), "0.7")
    assert item.message is not None
    assert (item.message.stream, item.message.partition, item.message.offset) == (STREAM.name, 1, 5)


class Broken(dict[str, Any]):
    """A document that brings out what nobody has thought of."""

    def get(self, *_: Any) -> Any:
        raise ZeroDivisionError("oh")

    __getitem__ = __iter__ = get


def test_what_is_not_an_annotation_has_a_reason() -> None:
    other = read_message(STREAM, message(objectId=1, classification="SN", topic="anno_other"), 1000)
    assert isinstance(other, Reason)
    assert "anno_fastfinder is the topic of fastfinder" in other.reason
    large = read_message(STREAM, message(objectId=1, classification="SN"), 10)
    assert isinstance(large, Reason)
    assert "more than 10" in large.reason

    failed = read_message(STREAM, message(objectId=1), 1000, Broken())
    assert isinstance(failed, Reason)
    assert failed.reason == "ZeroDivisionError: oh"
    assert "Traceback" in failed.traceback

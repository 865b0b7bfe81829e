"""Messages that wait for their objects: given up after a while with their bytes."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest

from broker_assets.annotations import waiting
from broker_assets.annotations.content import annotation
from broker_assets.annotations.waiting import AnnotationMessage, Item

pytestmark = pytest.mark.database


def test_those_that_waited_too_long_are_taken_with_their_bytes(annotated: psycopg.Connection[Any]) -> None:
    said = annotation("fastfinder", {"objectId": 70, "classification": "SN", "classdict": {"p": 1e2, "q": 0.1}})
    moment = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
    message = AnnotationMessage("stream", 1, 9, moment, b"key", b"bytes")
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=30)
    with annotated.transaction():
        answers = waiting.hold(annotated, [Item(said, message, long_ago), Item(said, message)], 1)
        assert answers == [None, None]
        assert waiting.ready_topics(annotated) == []
        assert waiting.take_expired(annotated, hours=31, limit=10) == []
        [expired] = waiting.take_expired(annotated, hours=24, limit=10)
        assert (expired.annotation.content, expired.message, expired.received) == (said.content, message, long_ago)
        [left] = waiting.take(annotated, [said])
        assert left.annotation.content == said.content
        assert waiting.take(annotated, [said]) == []
    assert waiting.known_objects(annotated, [1, 2, 70]) == {1, 2}

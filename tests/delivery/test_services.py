"""Sinks that take one message after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from delivery_peers import PlainContents, receiver, settings
from queued_messages import MESSAGE, SINK

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.messages import Message
from broker_assets.delivery.services import Receipt, Services, request_id
from broker_assets.delivery.sinks import Sink
from broker_assets.delivery.writing import Writer
from broker_assets.settings.delivery import DestinationSettings

NOTHING: Any = None


def services(**changes: Any) -> Services:
    return Services(settings(**changes), Writer(PlainContents(), pages_url="http://b.example", authority="b.example"))


def sent(made: Services, sink: Sink, messages: Sequence[Message]) -> Receipt:
    return made.send(sink, messages, made.written(NOTHING, sink, messages))


def test_chat_gets_the_matches_with_links() -> None:
    with receiver() as chat:
        destination = DestinationSettings(url=f"json://127.0.0.1:{chat.port}/")  # type: ignore[arg-type]
        made = services(destinations={"team": destination})
        sink = dataclasses.replace(SINK, kind="apprise", target="team")
        receipt, _ = sent(made, sink, [MESSAGE] * 25)
        assert receipt == {"accepted": True, "destination": "team"}
        (request,) = chat.requests
        assert request.document["title"] == "bright: 25 matches"
        assert "http://b.example/objects/5" in request.document["message"]
        assert "And 5 more" in request.document["message"]
        chat.answer = lambda request: 500
        with pytest.raises(MessageRefusedError, match="did not accept"):
            sent(made, sink, [MESSAGE])
        with pytest.raises(SinkUnavailableError, match="no longer have a destination"):
            sent(made, dataclasses.replace(sink, target="gone"), [MESSAGE])


@pytest.mark.parametrize(("form", "kind"), [("gcn", "application/json"), ("voevent", "application/xml")])
def test_a_webhook_gets_documents_of_other_networks(form: Any, kind: str) -> None:
    with receiver() as hook:
        sink = dataclasses.replace(SINK, kind="webhook", target=hook.url(), format=form)
        sent(services(), sink, [MESSAGE])
        assert hook.requests[0].headers["content-type"] == kind


def test_without_a_key_no_webhook_is_sent() -> None:
    sink = dataclasses.replace(SINK, kind="webhook", target="https://example.org/")
    with pytest.raises(SinkUnavailableError, match="cannot be signed"):
        sent(services(webhook_key=None), sink, [MESSAGE])


def test_a_request_about_the_same_messages_has_the_same_id() -> None:
    other = dataclasses.replace(MESSAGE, identity="cd")
    assert request_id([MESSAGE]) == "ab"
    assert request_id([MESSAGE, other]) == request_id([MESSAGE, other]) != request_id([other, MESSAGE])

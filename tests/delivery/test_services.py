"""Sinks that take one message after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from delivery_peers import PlainContents, Request, receiver, settings
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


def answering(status: int) -> Callable[[Request], int]:
    return lambda request: status


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
        for status, final in ((500, False), (404, True)):
            chat.answer = answering(status)
            with pytest.raises(MessageRefusedError, match=f"behind 'team': .*error={status}") as refused:
                sent(made, sink, [MESSAGE])
            assert refused.value.final is final
        with pytest.raises(SinkUnavailableError, match="no longer have a destination"):
            sent(made, dataclasses.replace(sink, target="gone"), [MESSAGE])


def test_chat_that_is_busy_or_out_of_reach_keeps_its_messages_waiting() -> None:
    """Its messages are no dead letters after ten attempts, which an outage of a quarter of an hour uses up."""
    sink = dataclasses.replace(SINK, kind="apprise", target="team")
    with receiver() as chat:
        url = f"json://ann:Zq7hSecret@127.0.0.1:{chat.port}/"
        made = services(destinations={"team": DestinationSettings(url=url)})  # type: ignore[arg-type]
        for status in (429, 503):
            chat.answer = answering(status)
            with pytest.raises(SinkUnavailableError, match=f"error={status}"):
                sent(made, sink, [MESSAGE])
    with pytest.raises(SinkUnavailableError, match=r"(?i)connection error") as caught:
        sent(made, sink, [MESSAGE])
    assert "Zq7hSecret" not in str(caught.value)


def test_values_of_others_mention_nobody_in_a_chat() -> None:
    record = '{"diaObjectId": 5, "explanation": "<!channel> [look](http://evil.example)\\n# @here"}'
    with receiver() as chat:
        made = services(destinations={"team": DestinationSettings(url=f"json://127.0.0.1:{chat.port}/")})  # type: ignore[arg-type]
        sink = dataclasses.replace(SINK, kind="apprise", target="team", name="SNe <!here>")
        sent(made, sink, [dataclasses.replace(MESSAGE, record=record)])
    (request,) = chat.requests
    assert request.document["title"] == "SNe ‹!here›: 1 match"
    said = request.document["message"]
    assert said.startswith("- [5](http://b.example/objects/5) explanation ‹!channel› [look] (http://evil.example) #")
    assert "<" not in said
    assert "@here" not in said


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

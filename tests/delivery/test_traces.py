"""Messages in the traces of their triggers; the whole way is in `stream/test_traces.py`."""

from __future__ import annotations

from dataclasses import replace

from queued_messages import MESSAGE, SINK
from trace_collector import collector

from broker_assets.delivery.queue import Delivered, Outcome
from broker_assets.delivery.traces import context_headers, settled, trigger
from broker_assets.delivery.writing import headers


def test_without_traces_there_is_no_header_and_no_span() -> None:
    assert context_headers(MESSAGE) == ()
    assert "traceparent" not in dict(headers(MESSAGE, SINK))
    settled({2: SINK}, [MESSAGE], Outcome(delivered=[Delivered(MESSAGE, {}, 5)]))


def test_a_message_that_is_given_up_says_why_and_one_that_waits_is_no_span() -> None:
    annotation = replace(MESSAGE, deliveryid=2, trigger="annotation/9", diasourceid=None)
    waiting = replace(MESSAGE, deliveryid=3, trigger="alert/7/7")
    outcome = Outcome(delivered=[Delivered(annotation, {}, 5)], dead={1: "no packet"}, waiting={3: "away"})
    with collector() as found:
        settled({2: SINK}, [MESSAGE, annotation, waiting], outcome)
        assert dict(headers(MESSAGE, SINK))["traceparent"].decode() == trigger(MESSAGE).parent_header()
        (refused,) = found.of(trigger(MESSAGE))
        (delivered,) = found.of(trigger(annotation))
        assert found.of(trigger(waiting)) == []
    assert refused.failure == "no packet"
    assert (delivered.failure, delivered.attributes["broker.sink.kind"]) == ("", "kafka")
    assert delivered.begins == annotation.created_at.timestamp()

"""Messages in the traces of their triggers (`broker_assets.tracing`)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from broker_assets import tracing
from broker_assets.delivery.messages import Message
from broker_assets.delivery.queue import Outcome
from broker_assets.delivery.sinks import Sink
from broker_assets.tracing import Subject


def trigger(message: Message) -> Subject:
    """The subject of a message: its alert, or an annotation."""
    return Subject(message.trigger.split("/", 1)[0], message.trigger)


def context_headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    """Headers with which readers of a topic continue the trace; empty without a trace."""
    subject = trigger(message)
    return (("traceparent", subject.parent_header().encode()),) if tracing.traced(subject) else ()


def settled(sinks: Mapping[int, Sink], messages: Iterable[Message], outcome: Outcome) -> None:
    """Record the messages that were delivered or given up: from the committed match on."""
    if not tracing.active():
        return
    now = time.time()
    delivered = {one.message.deliveryid: one for one in outcome.delivered}
    for message in messages:
        subject = trigger(message)
        done, reason = delivered.get(message.deliveryid), outcome.dead.get(message.deliveryid, "")
        if not tracing.traced(subject) or not (done or reason):
            continue
        sink = sinks[message.sinkid]
        tracing.record(
            subject,
            "message",
            message.created_at.timestamp(),
            now,
            attributes={
                "broker.filter": message.filterid,
                "broker.filter.version": message.version,
                "broker.sink": message.sinkid,
                "broker.sink.kind": sink.kind,
                "broker.attempts": message.attempts + 1,
                **({"messaging.destination.name": sink.target} if sink.kind == "kafka" else {}),
            },
            failure=reason,
        )

"""Traces of alerts and their batches (`broker_assets.tracing`): from the message in Kafka to the committed row."""

from __future__ import annotations

import time

from broker_assets import tracing
from broker_assets.stream.decode import DecodedBatch
from broker_assets.stream.progress import Committed
from broker_assets.tracing import Subject

MOST_LINKS = 128
"""Most links of a span: OpenTelemetry's own limit."""


def alert(diaobjectid: int, diasourceid: int) -> Subject:
    """The subject of an alert, named as triggers of messages are."""
    return Subject("alert", f"alert/{diaobjectid}/{diasourceid}")


def batch_committed(decoded: DecodedBatch, committed: Committed, *, topic: str, run_id: str) -> None:
    """Record a batch, and each of its alerts that is traced, once its transaction has ended.

    The stages of a batch overlap with those of others, so only how long each took is recorded, not when.
    """
    now = time.time()
    began = decoded.started_at.timestamp()
    batch = Subject("batch", str(committed.ingestid))
    packet = decoded.tables.packet
    found = []
    for number, diaobjectid, diasourceid in zip(
        packet["packet"].to_pylist(), packet["diaobjectid"].to_pylist(), packet["diasourceid"].to_pylist(), strict=True
    ):
        if diaobjectid is None or diasourceid is None:
            continue
        subject = alert(diaobjectid, diasourceid)
        if tracing.traced(subject):
            found.append((subject, decoded.messages[number]))
    tracing.record(
        batch,
        "batch",
        began,
        now,
        whole=True,
        attributes={
            "broker.topic": topic,
            "broker.run": run_id,
            "broker.received": committed.received,
            "broker.stored": committed.stored,
            "broker.duplicate": committed.duplicate,
            "broker.quarantined": committed.quarantined,
            **{f"broker.seconds.{stage}": spent.seconds for stage, spent in committed.spent.items()},
        },
        links=[subject for subject, _ in found[:MOST_LINKS]],
    )
    for subject, message in found:
        sent = message.timestamp_ms / 1000 if message.timestamp_ms >= 0 else began
        place: tracing.Attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(message.partition),
            "messaging.kafka.offset": message.offset,
        }
        about: tracing.Attributes = {"broker.alert": subject.name, "broker.batch": committed.ingestid}
        tracing.record(subject, "alert", min(sent, began), now, whole=True, attributes={**place, **about})
        tracing.record(subject, "waits in Kafka", min(sent, began), began, attributes=place)
        tracing.record(subject, "commit", began, now, attributes=about, links=[batch])

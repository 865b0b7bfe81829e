"""Stores annotations from Kafka: each exactly once, in micro-batches, in the transaction of their positions.

A stream is a Kafka topic of an active annotator. Its messages are read and applied many at a time (with a transaction
for each, only a few hundred a second would be possible); if the database refuses a batch because of a message, the
batch is halved until that message is found and quarantined. `accounting.attempts` finds a message that ends the
process.
"""

from __future__ import annotations

import datetime
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from broker_assets.accounting import ledger, quarantine
from broker_assets.annotations.content import AnnotationRefused
from broker_assets.annotations.store import Outcome, apply
from broker_assets.annotations.waiting import Item
from broker_assets.database.engine import connect
from broker_assets.settings import AnnotationSettings, AttemptSettings
from broker_assets.stream.annotation_messages import AnnotationStream, read_messages
from broker_assets.stream.commit import commit_latency, latency_columns, quarantined
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message, MessageSource
from broker_assets.stream.topic_batches import BatchRun

ANNOTATIONS_VERSION: Final = "annotations 1"
"""Version of the code that turns messages into annotations, for the ledger."""


@dataclass
class AnnotationsRead:
    """Result of reading one stream."""

    received: int = 0
    stored: int = 0
    """Messages with an annotation that changed something or waits for its object."""
    duplicate: int = 0
    """Messages without anything new."""
    quarantined: int = 0
    """Messages that could not be used, or only in part."""
    waiting: int = 0
    """Annotations that wait for their objects."""
    batches: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined messages by reason."""
    latency: list[float] = field(default_factory=list)
    """Median time of each batch from the Kafka timestamp to the written row, s."""


def read_annotations(
    source: MessageSource,
    database_url: str,
    stream: AnnotationStream,
    settings: AnnotationSettings,
    *,
    attempt_limits: AttemptSettings | None = None,
    run_id: str | None = None,
    idle_seconds: float = 1.0,
    deadline: float | None = None,
    after_batch: Callable[[psycopg.Connection[Any]], None] = lambda connection: None,
) -> AnnotationsRead:
    """Apply the annotations waiting on a stream.

    Parameters
    ----------
    source : MessageSource
        Source of the Kafka topic; positions are those of `stream_offset`.
    database_url : str
        SQLAlchemy URL of the broker's database.
    stream : AnnotationStream
        The stream to read.
    settings : AnnotationSettings
        Settings with batch sizes and limits.
    attempt_limits : AttemptSettings, optional
        When to blame a message for runs that died.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        Reading ends when nothing has arrived for this long.
    deadline : float, optional
        Time (`time.monotonic`) at which reading ends, whatever still waits.
    after_batch : callable
        Called with the connection, outside a transaction, after each batch that was committed.

    Raises
    ------
    StreamBusy
        If another run reads the stream.
    SourceError, OSError, psycopg.OperationalError
        If the broker or the database fails; what was applied before stays, the rest waits for the next run.
    """
    with connect(database_url, application="broker-assets annotations", autocommit=True) as connection:
        partitions = source.partitions()
        with ledger.lock_partitions(connection, stream.name, partitions):
            run = _Run(
                connection=connection, stream=stream.name, kind="annotation", code_version=ANNOTATIONS_VERSION,
                run_id=run_id, attempt_id=run_id or uuid.uuid4().hex, annotator=stream, settings=settings,
            )  # fmt: skip

            def apply_batch(messages: Sequence[Message]) -> None:
                run.apply(messages)
                after_batch(connection)

            run.read(
                source, partitions, attempt_limits or AttemptSettings(), apply_batch, at_a_time=settings.batch_max,
                wait_seconds=min(max(idle_seconds, 0.05), settings.batch_seconds), idle_seconds=idle_seconds,
                deadline=deadline,
            )  # fmt: skip
    return run.done


Fate = Outcome | Reason
"""What becomes of a message: the first that applies of quarantined, waiting, stored, known."""


def write_messages(
    connection: psycopg.Connection[Any],
    read: Sequence[list[Item] | Reason],
    ingestid: int,
    settings: AnnotationSettings,
    received: Sequence[datetime.datetime] | None = None,
) -> list[Fate]:
    """Apply the annotations of some messages; return what became of each message."""
    items: list[Item] = []
    owner: list[int] = []
    for number, found in enumerate(read):
        if isinstance(found, Reason):
            continue
        items += found if received is None else [Item(one.annotation, one.message, received[number]) for one in found]
        owner += [number] * len(found)
    applied = apply(connection, items, ingestid, hold=settings.wait_hours > 0, most_waiting=settings.waiting_most)
    parts: list[list[Outcome | AnnotationRefused]] = [[] for _ in read]
    for number, outcome in zip(owner, applied.outcomes, strict=True):
        parts[number].append(outcome)
    return [found if isinstance(found, Reason) else _fate(part) for found, part in zip(read, parts, strict=True)]


def _fate(outcomes: Sequence[Outcome | AnnotationRefused]) -> Fate:
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, AnnotationRefused):
            where = f"annotation {number + 1} of {len(outcomes)}: " if len(outcomes) > 1 else ""
            return Reason(f"{where}{outcome}")
    for one in ("waiting", "stored"):
        if one in outcomes:
            return one
    return "known"


def batch_entry(written: Sequence[Fate], messages: Sequence[Message], **more: Any) -> ledger.BatchEntry:
    """The ledger entry of messages with these fates."""
    counts = Counter("quarantined" if isinstance(fate, Reason) else fate for fate in written)
    return ledger.BatchEntry(
        received=len(messages),
        stored=counts["stored"] + counts["waiting"],
        duplicate=counts["known"],
        quarantined=counts["quarantined"],
        bytes=sum(len(message.value) for message in messages),
        **more,
    )


@dataclass(kw_only=True)
class _Run(BatchRun):
    annotator: AnnotationStream
    settings: AnnotationSettings
    done: AnnotationsRead = field(default_factory=AnnotationsRead)

    def write(self, messages: Sequence[Message], condemned: Reason | None) -> None:
        """Write messages, or quarantine them, in one transaction with their positions."""
        clock = time.perf_counter()
        read = (
            read_messages(self.annotator, messages, self.settings.message_bytes)
            if condemned is None
            else [condemned] * len(messages)
        )
        decoded = time.perf_counter()
        ranges = self.ranges(messages)
        name = self.stream
        with self.connection.transaction():
            ingestid = self.open_batch()
            # First, so that a run that is not the only one detects this before it writes anything.
            ledger.advance(self.connection, ingestid, name, ranges)
            written = write_messages(self.connection, read, ingestid, self.settings)
            failed = [
                quarantined(name, message, fate)
                for message, fate in zip(messages, written, strict=True)
                if isinstance(fate, Reason)
            ]
            quarantine.add(self.connection, ingestid, failed)
            latency = commit_latency(messages, time.time())
            entry = batch_entry(
                written, messages, decode_seconds=decoded - clock, write_seconds=time.perf_counter() - decoded,
                **latency_columns(latency),
            )  # fmt: skip
            ledger.close_batch(self.connection, ingestid, entry)
        for span in ranges:
            self.positions[span.partition] = span.next_offset
        done = self.done
        done.batches += 1
        done.received += entry.received
        done.stored += entry.stored
        done.duplicate += entry.duplicate
        done.quarantined += entry.quarantined
        done.waiting += sum(fate == "waiting" for fate in written)
        done.reasons.update(fate.reason for fate in written if isinstance(fate, Reason))
        if entry.latency_p50 is not None:
            done.latency.append(entry.latency_p50)

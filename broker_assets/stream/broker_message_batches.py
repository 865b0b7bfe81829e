"""Stores messages of brokers from Kafka: each exactly once, in batches, in the transaction of their positions."""

from __future__ import annotations

import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import psycopg

from broker_assets.accounting import ledger, quarantine
from broker_assets.database.engine import connect
from broker_assets.settings import AttemptSettings
from broker_assets.settings.surveys import SurveySettings
from broker_assets.stream.batch_retry import Applied, retry_batches
from broker_assets.stream.broker_messages import BrokerStream, ReadBatch, read_messages
from broker_assets.stream.commit import commit_latency, latency_columns, quarantined
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message, MessageSource
from broker_assets.stream.retry import RetryReport
from broker_assets.stream.subscriptions import NumberedDeliveries, Subscription
from broker_assets.stream.topic_batches import BatchRun
from broker_assets.stream.topic_run import Entries
from broker_assets.tom.messages.storing import store_messages

MESSAGES_VERSION: Final = "broker messages 1"
"""Version of the code that turns messages into rows, for the ledger."""


@dataclass
class MessagesRead:
    """Result of reading one stream."""

    received: int = 0
    stored: int = 0
    """Messages with at least one new row."""
    duplicate: int = 0
    """Messages that were stored before."""
    quarantined: int = 0
    """Messages that could not be used."""
    rows: int = 0
    """New rows: one for each message and classifier."""
    classifiers: int = 0
    """New classifiers."""
    batches: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined messages by reason."""


def read_broker_messages(
    source: MessageSource | Subscription,
    database_url: str,
    stream: BrokerStream,
    settings: SurveySettings,
    *,
    attempt_limits: AttemptSettings | None = None,
    run_id: str | None = None,
    idle_seconds: float = 1.0,
    deadline: float | None = None,
) -> MessagesRead:
    """Store the messages waiting on a stream.

    Parameters
    ----------
    source : MessageSource or Subscription
        Source of the Kafka topic; positions are those of `stream_offset`. Or a subscription, whose messages are
        acknowledged once they are stored.
    database_url : str
        SQLAlchemy URL of the broker's database.
    stream : BrokerStream
        The stream to read.
    settings : SurveySettings
        Settings with batch sizes and limits.
    attempt_limits : AttemptSettings, optional
        When to blame a message for runs that died.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        Reading ends when nothing has arrived for this long.
    deadline : float, optional
        Time (`time.monotonic`) at which reading ends, whatever still waits.

    Raises
    ------
    StreamBusy
        If another run reads the stream.
    SourceError, OSError, psycopg.OperationalError
        If Kafka or the database fails; what was stored before stays, the rest waits for the next run.
    """
    with connect(database_url, application="broker-assets messages", autocommit=True) as connection:
        limits = attempt_limits or AttemptSettings()
        deliveries = None
        if isinstance(source, Subscription):
            source = deliveries = NumberedDeliveries(source, connection, stream.name)
            limits = limits.model_copy(update={"condemn_after": sys.maxsize})
        partitions = source.partitions()
        with ledger.lock_partitions(connection, stream.name, partitions):
            run = _Run(
                connection=connection, stream=stream.name, kind="annotation", code_version=MESSAGES_VERSION,
                run_id=run_id, attempt_id=run_id or uuid.uuid4().hex, broker=stream, settings=settings,
                deliveries=deliveries,
            )  # fmt: skip
            run.read(
                source, partitions, limits, run.apply, at_a_time=settings.batch_max,
                wait_seconds=min(max(idle_seconds, 0.05), settings.batch_seconds), idle_seconds=idle_seconds,
                deadline=deadline,
            )  # fmt: skip
    return run.done


@dataclass(frozen=True)
class _Written:
    outcome: ledger.BatchEntry
    rows: int
    classifiers: int


def _write_rows(
    connection: psycopg.Connection[Any],
    stream: BrokerStream,
    read: ReadBatch,
    messages: Sequence[Message],
    ingestid: int,
) -> _Written:
    """Store the content of some messages, in the caller's transaction."""
    stored = store_messages(connection, read.rows, ingestid=ingestid)
    good = len(messages) - len(read.refused)
    new = good
    if stored.duplicate:
        # A message with several classifiers may have new and known rows.
        offsets = [message.offset for message in messages]
        row = connection.execute(
            "SELECT count(DISTINCT (kafka_partition, streammessage_id)) FROM elasticc2_brokermessage"
            " WHERE topicname = %s AND kafka_partition = ANY(%s) AND streammessage_id BETWEEN %s AND %s"
            " AND ingestid = %s",
            (stream.topic, sorted({one.partition for one in messages}), min(offsets), max(offsets), ingestid),
        ).fetchone()
        new = int(row[0]) if row is not None else 0
    outcome = ledger.BatchEntry(
        received=len(messages), stored=new, duplicate=good - new, quarantined=len(read.refused),
        bytes=sum(len(message.value) for message in messages),
    )  # fmt: skip
    return _Written(outcome, stored.stored, stored.classifiers)


@dataclass(kw_only=True)
class _Run(BatchRun):
    broker: BrokerStream
    settings: SurveySettings
    deliveries: NumberedDeliveries | None = None
    done: MessagesRead = field(default_factory=MessagesRead)

    def write(self, messages: Sequence[Message], condemned: Reason | None) -> None:
        """Store messages, or quarantine them, in one transaction with their positions."""
        clock = time.perf_counter()
        read = _read(self.broker, messages, self.settings, condemned)
        decoded = time.perf_counter()
        ranges = self.ranges(messages)
        with self.connection.transaction():
            ingestid = self.open_batch()
            # First, so that a run that is not the only one detects this before it writes anything.
            ledger.advance(self.connection, ingestid, self.stream, ranges)
            if self.deliveries is not None:
                self.deliveries.record(messages, ingestid)
            written = _write_rows(self.connection, self.broker, read, messages, ingestid)
            failed = [quarantined(self.stream, messages[number], why) for number, why in sorted(read.refused.items())]
            quarantine.add(self.connection, ingestid, failed)
            entry = ledger.BatchEntry(
                received=written.outcome.received, stored=written.outcome.stored, duplicate=written.outcome.duplicate,
                quarantined=written.outcome.quarantined, bytes=written.outcome.bytes,
                decode_seconds=decoded - clock, write_seconds=time.perf_counter() - decoded,
                **latency_columns(commit_latency(messages, time.time())),
            )  # fmt: skip
            ledger.close_batch(self.connection, ingestid, entry)
        for span in ranges:
            self.positions[span.partition] = span.next_offset
        if self.deliveries is not None:
            self.deliveries.acknowledge(messages)
        done = self.done
        done.batches += 1
        done.received += entry.received
        done.stored += entry.stored
        done.duplicate += entry.duplicate
        done.quarantined += entry.quarantined
        done.rows += written.rows
        done.classifiers += written.classifiers
        done.reasons.update(reason.reason for reason in read.refused.values())


def _read(
    stream: BrokerStream, messages: Sequence[Message], settings: SurveySettings, condemned: Reason | None
) -> ReadBatch:
    if condemned is None:
        return read_messages(stream, messages, settings.message_bytes)
    nothing = read_messages(stream, [], settings.message_bytes)
    return ReadBatch(nothing.rows, np.zeros(0, np.int32), dict.fromkeys(range(len(messages)), condemned))


def retry_broker_messages(
    database_url: str,
    stream: BrokerStream,
    settings: SurveySettings,
    *,
    quarantineids: Sequence[int] | None = None,
    run_id: str | None = None,
) -> RetryReport:
    """Store the quarantined messages of a stream, after a fix.

    Parameters
    ----------
    database_url, stream, settings
        See `read_broker_messages`.
    quarantineids, run_id
        See `batch_retry.retry_batches`.

    Raises
    ------
    StreamBusy
        If the quarantine of this stream is already being retried; nothing is changed.
    """

    def apply(
        connection: psycopg.Connection[Any], entries: Entries, messages: Sequence[Message], ingestid: int
    ) -> Applied:
        read = read_messages(stream, messages, settings.message_bytes)
        written = _write_rows(connection, stream, read, messages, ingestid)
        return Applied(written.outcome, read.refused)

    return retry_batches(
        database_url, stream.name, apply, code_version=MESSAGES_VERSION, quarantineids=quarantineids, run_id=run_id
    )

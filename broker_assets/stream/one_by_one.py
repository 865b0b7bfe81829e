"""The consumer of topics whose messages are applied one by one: each exactly once, and no message stops the next.

The stream of alerts has its own loop for batches, see `drain`. Every other topic is read here; the given `Handler`
interprets its messages.

A message is handled in a savepoint of the transaction that moves the position. A failure that is not caused by the
environment (database, broker, disk) is attributed to the message: its bytes go to quarantine, and the next message
follows. Failures of the environment are left to the next run. `accounting.attempts` finds a message that ends the
process.
"""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.accounting import attempts, ledger, quarantine
from broker_assets.database.engine import connect
from broker_assets.settings import AttemptSettings
from broker_assets.stream.commit import quarantined
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import is_of_a_message
from broker_assets.stream.messages import Message, MessageSource
from broker_assets.stream.retry import RetryReport
from broker_assets.stream.topic_run import Entries, TopicRun, retry_entries

MESSAGES_AT_A_TIME = 16
"""Messages requested at once; they are held in memory together."""


@dataclass(frozen=True)
class Handled:
    """Effect of a message."""

    stored: bool
    """Whether it changed a row; otherwise it was already known, or had nothing to store."""
    effect: str
    """Description for the log."""


Handler = Callable[[psycopg.Connection[Any], bytes, int], Handled]
"""Applies the bytes of a message of a batch in the caller's transaction; `is_of_a_message` attributes its errors."""


@dataclass
class Consumed:
    """Result of a run."""

    effects: list[str] = field(default_factory=list)
    """Description of the effect of each message."""
    stored: int = 0
    """Messages that changed rows."""
    duplicate: int = 0
    """Messages that were already known, or had nothing to store."""
    quarantined: int = 0
    """Messages that could not be used."""


@dataclass(frozen=True)
class Topic:
    """A topic and the handler of its messages."""

    name: str
    """Name of the stream, under which positions and quarantine are stored."""
    handle: Handler
    """Handler of its messages."""
    code_version: str
    """Version of the handler, for the ledger."""
    largest: int
    """Largest message, bytes; larger ones are quarantined unread."""


def consume(
    source: MessageSource,
    database_url: str,
    topic: Topic,
    settings: AttemptSettings,
    *,
    run_id: str | None = None,
    idle_seconds: float = 2.0,
) -> Consumed:
    """Apply the messages waiting on a topic, one by one.

    Parameters
    ----------
    source : MessageSource
        Source of the topic; positions are those of `stream_offset`.
    database_url : str
        SQLAlchemy URL of the broker's database.
    topic : Topic
        The topic to read.
    settings : AttemptSettings
        When to blame a message for runs that died.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        The run ends when nothing has arrived for this long.

    Raises
    ------
    StreamBusy
        If another run reads the topic.
    SourceError, OSError, psycopg.OperationalError
        If the broker or the database fails; what was applied before stays, the rest waits for the next run.
    """
    with connect(database_url, application="broker-assets consumer", autocommit=True) as connection:
        partitions = source.partitions()
        with ledger.lock_partitions(connection, topic.name, partitions):
            run = _Run(
                connection=connection, stream=topic.name, kind="notice", code_version=topic.code_version,
                run_id=run_id, attempt_id=run_id or uuid.uuid4().hex, topic=topic,
            )  # fmt: skip
            run.read(
                source, partitions, settings, run.apply_each,
                at_a_time=MESSAGES_AT_A_TIME, wait_seconds=min(idle_seconds, 0.5), idle_seconds=idle_seconds,
            )  # fmt: skip
    return run.done


def retry_each(
    database_url: str, topic: Topic, *, quarantineids: Sequence[int] | None = None, run_id: str | None = None
) -> RetryReport:
    """Apply the quarantined messages of a topic again, after a fix.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    topic : Topic
        The topic to read.
    quarantineids : sequence of int, optional
        Only these entries; default: all that are open or were retried before.
    run_id : str, optional
        Goes into the ledger.

    Raises
    ------
    StreamBusy
        If the quarantine of this topic is already being retried; nothing is changed.
    """
    report = RetryReport(run_id)

    def retry(connection: psycopg.Connection[Any], entries: Entries) -> None:
        for entry in entries:
            _retry(connection, topic, entry, report)

    retry_entries(database_url, topic.name, retry, at_a_time=MESSAGES_AT_A_TIME, quarantineids=quarantineids)
    return report


def _retry(
    connection: psycopg.Connection[Any], topic: Topic, entry: quarantine.QuarantineEntry, report: RetryReport
) -> None:
    with connection.transaction():
        ingestid = ledger.open_batch(
            connection, topic=topic.name, kind="retry", code_version=topic.code_version, run_id=report.run_id
        )
        effect = _handle(connection, topic, entry.payload, ingestid)
        if isinstance(effect, Handled):
            quarantine.resolve(connection, [entry.quarantineid], ingestid)
        else:
            quarantine.fail(connection, entry.quarantineid, reason=effect.reason, traceback=effect.traceback)
            report.reasons[effect.reason] += 1
        outcome = _outcome(effect, len(entry.payload))
        ledger.close_batch(connection, ingestid, outcome)
    report.retried += 1
    report.stored += outcome.stored
    report.duplicate += outcome.duplicate
    report.failed += outcome.quarantined


def _handle(connection: psycopg.Connection[Any], topic: Topic, content: bytes, ingestid: int) -> Handled | Reason:
    """Handle a message in a savepoint; return its effect, or why it failed."""
    if len(content) > topic.largest:
        return Reason(f"{len(content)} bytes, more than {topic.largest}")
    try:
        with connection.transaction():
            return topic.handle(connection, content, ingestid)
    except BaseException as error:
        if not is_of_a_message(error):
            raise
        return Reason(str(error) or type(error).__name__, traceback.format_exc())


def _outcome(effect: Handled | Reason, size: int) -> ledger.BatchEntry:
    """The ledger entry of a message with a size in bytes."""
    stored = isinstance(effect, Handled) and effect.stored
    failed = isinstance(effect, Reason)
    return ledger.BatchEntry(
        received=1, stored=int(stored), duplicate=int(not stored and not failed), quarantined=int(failed), bytes=size
    )


@dataclass(kw_only=True)
class _Run(TopicRun):
    topic: Topic
    done: Consumed = field(default_factory=Consumed)

    def apply_each(self, messages: Sequence[Message]) -> None:
        """Apply messages, one by one."""
        for message in messages:
            self.apply(message)

    def apply(self, message: Message) -> None:
        """Apply a message, or quarantine it, in one transaction with its position."""
        name, partition, end = self.stream, message.partition, message.offset + 1
        suspect = self.suspects.get(partition)
        condemned = suspect is not None and message.offset in suspect.condemned
        if not condemned:
            attempts.begin(self.connection, name, {partition: (message.offset, end)}, self.attempt_id)
        with self.connection.transaction():
            ingestid = self.open_batch()
            effect: Handled | Reason
            if suspect is not None and condemned:
                effect = Reason(suspect.reason(message.offset))
            else:
                effect = _handle(self.connection, self.topic, message.value, ingestid)
            if isinstance(effect, Reason):
                quarantine.add(self.connection, ingestid, [quarantined(name, message, effect)])
            outcome = _outcome(effect, len(message.value))
            ledger.close_batch(self.connection, ingestid, outcome)
            span = ledger.Range(
                partition=partition, first_offset=self.positions[partition], next_offset=end, received=1
            )
            ledger.advance(self.connection, ingestid, name, [span])
        self.positions[partition] = end
        said = effect.effect if isinstance(effect, Handled) else f"offset {message.offset}: {effect.reason}"
        self.done.effects.append(said)
        self.done.stored += outcome.stored
        self.done.duplicate += outcome.duplicate
        self.done.quarantined += outcome.quarantined

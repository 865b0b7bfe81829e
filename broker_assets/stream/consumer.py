"""The consumer of topics whose messages are applied one by one: each exactly once, and no message stops the next.

The stream of alerts has its own loop for batches, see `drain`. Every other topic is read here; the given `Handler`
interprets its messages.

A message is handled in a savepoint of the transaction that moves the position. A failure that is not caused by the
environment (database, broker, disk) is attributed to the message: it goes to quarantine with its bytes, and the next
one follows. Failures of the environment are left to the next run. A message that ends the process is found by
`accounting.attempts`.
"""

from __future__ import annotations

import datetime
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.accounting import attempts, ledger, quarantine
from broker_assets.accounting.attempts import Suspect
from broker_assets.database.engine import connect
from broker_assets.settings import AttemptSettings
from broker_assets.stream.commit import quarantined
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import is_of_a_message
from broker_assets.stream.messages import LATE_FETCH_SECONDS, Message, MessageSource
from broker_assets.stream.report import StreamGap
from broker_assets.stream.retry import QUARANTINE_PARTITION, RetryReport
from broker_assets.stream.session import starting_positions

MESSAGES_AT_A_TIME = 16
"""Messages requested at once; they are held in memory together."""
_GAP = "deleted by the broker before they were read"


@dataclass(frozen=True)
class Handled:
    """Effect of a message."""

    stored: bool
    """Whether it changed a row; otherwise it was known, or had nothing to store."""
    effect: str
    """Description for the log."""


Handler = Callable[[psycopg.Connection[Any], bytes], Handled]
"""Applies the bytes of a message in the caller's transaction; `is_of_a_message` attributes its errors."""


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
    """Name of the stream; positions and quarantine are kept by it."""
    handle: Handler
    """What its messages do."""
    code_version: str
    """Version of the handler, for the ledger."""
    largest: int
    """Bytes of a message, at most; larger ones are quarantined unread."""


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
        What is read.
    settings : AttemptSettings
        When a message is blamed for runs that died.
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
            run = _Run(connection, topic, run_id, attempt_id=run_id or uuid.uuid4().hex)
            run.begin(source, partitions, settings)
            try:
                last = time.monotonic()
                while time.monotonic() - last < idle_seconds or run.waits(source, time.monotonic() - last):
                    for message in source.consume(MESSAGES_AT_A_TIME, min(idle_seconds, 0.5)):
                        run.apply(message)
                        last = time.monotonic()
            except MemoryError:
                raise  # stays an attempt: it is the message's if it happens again
            except BaseException:
                run.release()
                raise
            run.release()
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
        What is read.
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
    wanted = None if quarantineids is None else set(quarantineids)
    with (
        connect(database_url, application="broker-assets retry", autocommit=True) as connection,
        ledger.lock_partitions(connection, topic.name, [QUARANTINE_PARTITION]),
    ):
        after = 0
        while entries := quarantine.entries(connection, topic=topic.name, after=after, limit=MESSAGES_AT_A_TIME):
            after = entries[-1].quarantineid
            for entry in entries:
                if wanted is None or entry.quarantineid in wanted:
                    _retry(connection, topic, entry, report)
    return report


def _retry(
    connection: psycopg.Connection[Any], topic: Topic, entry: quarantine.QuarantineEntry, report: RetryReport
) -> None:
    with connection.transaction():
        ingestid = _open_batch(connection, topic, "retry", report.run_id)
        effect = _handle(connection, topic, entry.payload)
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


def _handle(connection: psycopg.Connection[Any], topic: Topic, content: bytes) -> Handled | Reason:
    """Handle a message in a savepoint; what it did, or why it failed."""
    if len(content) > topic.largest:
        return Reason(f"{len(content)} bytes, more than {topic.largest}")
    try:
        with connection.transaction():
            return topic.handle(connection, content)
    except BaseException as error:
        if not is_of_a_message(error):
            raise
        return Reason(str(error) or type(error).__name__, traceback.format_exc())


def _open_batch(connection: psycopg.Connection[Any], topic: Topic, kind: ledger.Kind, run_id: str | None) -> int:
    now = datetime.datetime.now(datetime.UTC)
    return ledger.open_batch(
        connection, topic=topic.name, kind=kind, code_version=topic.code_version, started_at=now, run_id=run_id
    )


def _outcome(effect: Handled | Reason, size: int) -> ledger.BatchEntry:
    """What became of a message of some bytes."""
    stored = isinstance(effect, Handled) and effect.stored
    failed = isinstance(effect, Reason)
    return ledger.BatchEntry(
        received=1, stored=int(stored), duplicate=int(not stored and not failed), quarantined=int(failed), bytes=size
    )


@dataclass
class _Run:
    connection: psycopg.Connection[Any]
    topic: Topic
    run_id: str | None
    attempt_id: str
    done: Consumed = field(default_factory=Consumed)
    positions: dict[int, int] = field(default_factory=dict)
    suspects: Mapping[int, Suspect] = field(default_factory=dict)

    def begin(self, source: MessageSource, partitions: Sequence[int], settings: AttemptSettings) -> None:
        """Assign the committed positions, or the first existing offset if retention has deleted messages."""
        self.positions, gaps = starting_positions(self.connection, source, self.topic.name, partitions)
        for gap in gaps:
            self._record_gap(gap)
        source.assign(self.positions)
        self.suspects = attempts.suspects(self.connection, self.topic.name, self.positions, settings)

    def waits(self, source: MessageSource, silent: float) -> bool:
        """Whether messages are known to be waiting that a busy broker has not sent yet."""
        if silent >= LATE_FETCH_SECONDS:
            return False
        ends = source.end_offsets()
        return any(end > self.positions[partition] for partition, end in ends.items() if partition in self.positions)

    def release(self) -> None:
        """Take back the attempt of a run that ends in order; a lost connection leaves it, which one run may do."""
        with suppress(psycopg.Error):
            attempts.release(self.connection, self.topic.name, self.attempt_id)

    def apply(self, message: Message) -> None:
        """Apply a message, or quarantine it, in one transaction with its position."""
        name, partition, end = self.topic.name, message.partition, message.offset + 1
        suspect = self.suspects.get(partition)
        condemned = suspect is not None and message.offset in suspect.condemned
        if not condemned:
            attempts.begin(self.connection, name, {partition: (message.offset, end)}, self.attempt_id)
        with self.connection.transaction():
            ingestid = _open_batch(self.connection, self.topic, "stream", self.run_id)
            effect: Handled | Reason
            if suspect is not None and condemned:
                effect = Reason(suspect.reason(message.offset))
            else:
                effect = _handle(self.connection, self.topic, message.value)
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

    def _record_gap(self, gap: StreamGap) -> None:
        with self.connection.transaction():
            ingestid = _open_batch(self.connection, self.topic, "stream", self.run_id)
            ledger.record_gap(
                self.connection, self.topic.name, gap.partition, gap.first_offset, gap.next_offset, reason=_GAP,
                ingestid=ingestid,
            )  # fmt: skip
            nothing = ledger.BatchEntry(received=0, stored=0, duplicate=0, quarantined=0)
            ledger.close_batch(self.connection, ingestid, nothing)

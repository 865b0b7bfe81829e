"""A run on a topic other than those of alerts: its positions, its attempts, and the reading loop.

The callers apply the messages: `one_by_one` one after the other, `annotations` many at once. The stream of alerts has a
session and a pipeline of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from broker_assets.accounting import attempts, ledger, quarantine
from broker_assets.accounting.attempts import Suspect
from broker_assets.database.engine import connect
from broker_assets.settings import AttemptSettings
from broker_assets.stream.messages import LATE_FETCH_SECONDS, Message, MessageSource
from broker_assets.stream.report import StreamGap
from broker_assets.stream.retry import QUARANTINE_PARTITION
from broker_assets.stream.session import starting_positions

_GAP: Final = "deleted by the broker before they were read"

Entries = Sequence[quarantine.QuarantineEntry]


@dataclass(kw_only=True)
class TopicRun:
    """A run that holds the partitions of a topic."""

    connection: psycopg.Connection[Any]
    """Connection outside a transaction that holds the locks of the partitions."""
    stream: str
    """Name under which positions, attempts and quarantine are stored."""
    kind: ledger.Kind
    """Kind of its batches."""
    code_version: str
    """Version of the code that applies its messages, for the ledger."""
    run_id: str | None
    """Goes into the ledger."""
    attempt_id: str
    """Identifies its attempts at messages."""
    positions: dict[int, int] = field(default_factory=dict)
    """Next offset of each partition."""
    suspects: Mapping[int, Suspect] = field(default_factory=dict)
    """Attempts at the positions that were left by runs that died."""

    def read(
        self,
        source: MessageSource,
        partitions: Sequence[int],
        limits: AttemptSettings,
        apply: Callable[[Sequence[Message]], None],
        *,
        at_a_time: int,
        wait_seconds: float,
        idle_seconds: float,
        deadline: float | None = None,
    ) -> None:
        """Read waiting messages, from the committed positions on.

        Parameters
        ----------
        source, partitions : MessageSource, sequence of int
            The topic, and its partitions, which are locked.
        limits : AttemptSettings
            When to blame a message for runs that died.
        apply : callable
            Applies messages, and moves `positions`.
        at_a_time : int
            Most messages that it gets at once.
        wait_seconds : float
            Time to wait for them.
        idle_seconds : float
            Reading ends when nothing has arrived for this long.
        deadline : float, optional
            Time (`time.monotonic`) at which reading ends, whatever still waits.
        """
        self._begin(source, partitions, limits)
        try:
            last = time.monotonic()
            while time.monotonic() - last < idle_seconds or self._waits(source, time.monotonic() - last):
                if deadline is not None and time.monotonic() > deadline:
                    break
                messages = source.consume(at_a_time, wait_seconds)
                if messages:
                    apply(messages)
                    last = time.monotonic()
        except MemoryError:
            raise  # remains an attempt: if it happens again, the messages are blamed
        except BaseException:
            self._release()
            raise
        self._release()

    def open_batch(self) -> int:
        """Open a batch of the run in the ledger; return its `ingestid`."""
        return ledger.open_batch(
            self.connection, topic=self.stream, kind=self.kind, code_version=self.code_version, run_id=self.run_id
        )

    def _begin(self, source: MessageSource, partitions: Sequence[int], limits: AttemptSettings) -> None:
        """Assign the committed positions, or the first existing offset if retention has deleted messages."""
        self.positions, gaps = starting_positions(self.connection, source, self.stream, partitions)
        for gap in gaps:
            self._record_gap(gap)
        source.assign(self.positions)
        self.suspects = attempts.suspects(self.connection, self.stream, self.positions, limits)

    def _waits(self, source: MessageSource, silent: float) -> bool:
        """Whether messages are known to be waiting that a busy broker has not sent yet."""
        if silent >= LATE_FETCH_SECONDS:
            return False
        ends = source.end_offsets()
        return any(end > self.positions[partition] for partition, end in ends.items() if partition in self.positions)

    def _release(self) -> None:
        """Withdraw the attempt of a run that ends properly; without a connection it stays, which is harmless once."""
        with suppress(psycopg.Error):
            attempts.release(self.connection, self.stream, self.attempt_id)

    def _record_gap(self, gap: StreamGap) -> None:
        with self.connection.transaction():
            ingestid = self.open_batch()
            ledger.record_gap(
                self.connection, self.stream, gap.partition, gap.first_offset, gap.next_offset, reason=_GAP,
                ingestid=ingestid,
            )  # fmt: skip
            nothing = ledger.BatchEntry(received=0, stored=0, duplicate=0, quarantined=0)
            ledger.close_batch(self.connection, ingestid, nothing)


def retry_entries(
    database_url: str,
    stream: str,
    retry: Callable[[psycopg.Connection[Any], Entries], None],
    *,
    at_a_time: int,
    quarantineids: Sequence[int] | None,
) -> None:
    """Go through the quarantined messages of a topic, under the lock of its quarantine.

    Parameters
    ----------
    database_url, stream : str, str
        SQLAlchemy URL of the broker's database, and name of the stream.
    retry : callable
        Retries some entries; the connection is outside a transaction.
    at_a_time : int
        Most entries that it gets at once.
    quarantineids : sequence of int or None
        Only these entries; None for all that are open or were retried before.

    Raises
    ------
    StreamBusy
        If the quarantine of this stream is already being retried; nothing is changed.
    """
    wanted = None if quarantineids is None else set(quarantineids)
    with (
        connect(database_url, application="broker-assets retry", autocommit=True) as connection,
        ledger.lock_partitions(connection, stream, [QUARANTINE_PARTITION]),
    ):
        after = 0
        while entries := quarantine.entries(connection, topic=stream, after=after, limit=at_a_time):
            after = entries[-1].quarantineid
            chosen = [entry for entry in entries if wanted is None or entry.quarantineid in wanted]
            if chosen:
                retry(connection, chosen)

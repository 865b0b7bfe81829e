"""Retries quarantined messages after a fix: from their bytes, through the same code as the stream.

Messages that can now be read are archived and stored under a batch of the kind `retry`, and their quarantine entries
are resolved in the same transaction; those that still fail stay, with the new reason. A message that ends the process
is found as in the stream (`accounting.attempts`, with the numbers of entries as offsets), and then skipped unless it is
requested by number.
"""

from __future__ import annotations

import datetime
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import psycopg

from broker_assets.accounting import attempts, ledger, quarantine
from broker_assets.accounting.attempts import Suspect
from broker_assets.database.alerts import NightCounts
from broker_assets.database.engine import connect
from broker_assets.database.stored_points import compare
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.settings import AttemptSettings
from broker_assets.stream.archive import archive_parts, write_archive
from broker_assets.stream.commit import CODE_VERSION, ensure_partitions, night_counts, write_rows
from broker_assets.stream.data_versions import data_versions
from broker_assets.stream.decode import Reason, decode_batch
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.errors import may_lie_in_a_message
from broker_assets.stream.messages import Message
from broker_assets.stream.night_locks import share_nights
from broker_assets.stream.orphaned_files import ExpectedFile, PendingFiles

QUARANTINE_PARTITION = -1
"""Number that is locked and swept instead of a Kafka partition, so that only one retry of a topic runs at a time."""

ENTRIES_AT_A_TIME = 50
"""Entries per transaction; at 10 MB each they take 500 MB."""


@dataclass
class RetryReport:
    """Result of retrying quarantined messages."""

    run_id: str | None
    retried: int = 0
    stored: int = 0
    duplicate: int = 0
    failed: int = 0
    """Messages that are still in quarantine."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Reasons of messages that failed again."""
    nights: dict[str, NightCounts] = field(default_factory=dict)
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The report as plain values."""
        names = ("retried", "stored", "duplicate", "failed")
        return {name: getattr(self, name) for name in names} | {"reasons": dict(self.reasons.most_common(20))}


def retry_quarantine(
    database_url: str,
    archive_url: str,
    decoder: Callable[[], AlertDecoder],
    *,
    topic: str,
    plan: EnrichmentPlan,
    quarantineids: Sequence[int] | None = None,
    run_id: str | None = None,
    progress: Callable[[RetryReport], None] = lambda report: None,
    attempt_limits: AttemptSettings | None = None,
) -> RetryReport:
    """Read the quarantined messages of a topic again.

    Parameters
    ----------
    database_url, archive_url : str
        SQLAlchemy URL of the broker's database; fsspec URL of the packet archive.
    decoder : callable
        Creates the `AlertDecoder` of the stream.
    topic : str
        Topic of the messages.
    plan : EnrichmentPlan
        What is computed for the alerts, as in the stream.
    quarantineids : sequence of int, optional
        Only these entries; default: all that are open or were retried before.
    run_id : str, optional
        Goes into the ledger.
    progress : callable
        Called after every few messages.
    attempt_limits : AttemptSettings, optional
        When to blame entries for runs that died.

    Raises
    ------
    StreamBusy
        If the quarantine of this topic is already being retried; nothing is changed.
    """
    plan.load()
    report = RetryReport(run_id)
    wanted = None if quarantineids is None else set(quarantineids)
    with (
        connect(database_url, application="broker-assets retry", autocommit=True) as connection,
        ledger.lock_partitions(connection, topic, [QUARANTINE_PARTITION]),
    ):
        pending = PendingFiles(archive_url, topic)
        pending.sweep([QUARANTINE_PARTITION], lambda urls: ledger.known_archive_urls(connection, urls))
        retry = _Retry(connection, archive_url, topic, decoder(), plan, pending, report)
        found = attempts.suspects(connection, topic, {QUARANTINE_PARTITION: 0}, attempt_limits or AttemptSettings())
        suspect = found.get(QUARANTINE_PARTITION, Suspect(0))
        after = 0
        while entries := quarantine.entries(connection, topic=topic, after=after, limit=ENTRIES_AT_A_TIME):
            after = entries[-1].quarantineid
            chosen = [
                entry
                for entry in entries
                if (entry.quarantineid not in suspect.condemned if wanted is None else entry.quarantineid in wanted)
            ]
            alone = [[entry] for entry in chosen if entry.quarantineid < suspect.until]
            for group in filter(None, [*alone, chosen[len(alone) :]]):
                retry.attempt(group)
                progress(report)
        report.data_versions = data_versions(connection, report.nights)
    return report


@dataclass
class _Retry:
    connection: psycopg.Connection[Any]
    archive_url: str
    topic: str
    decoder: AlertDecoder
    plan: EnrichmentPlan
    pending: PendingFiles
    report: RetryReport
    fallback_run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def attempt(self, entries: Sequence[quarantine.QuarantineEntry]) -> None:
        """Retry some entries, and leave a trace if that ends the process."""
        numbers = {QUARANTINE_PARTITION: (entries[0].quarantineid, entries[-1].quarantineid + 1)}
        run_id = self.report.run_id or self.fallback_run_id
        with self.connection.transaction():
            attempts.begin(self.connection, self.topic, numbers, run_id)
        try:
            self.run(entries)
        finally:
            if not self.connection.broken:
                with self.connection.transaction():
                    attempts.release(self.connection, self.topic, run_id)

    def run(self, entries: Sequence[quarantine.QuarantineEntry], condemned: Reason | None = None) -> None:
        """Retry some entries; if the database rejects them together, one by one."""
        try:
            self._run(entries, condemned)
        except Exception as error:
            if condemned is not None or not may_lie_in_a_message(error):
                raise
            if len(entries) == 1:
                reason = Reason(f"{type(error).__name__}: {error}", traceback.format_exc())
                self.run(entries, condemned=reason)
                return
            for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
                self.run(half)

    def _run(self, entries: Sequence[quarantine.QuarantineEntry], condemned: Reason | None) -> None:
        started = datetime.datetime.now(datetime.UTC)
        messages = [_message(entry) for entry in entries]
        refused = {(entry.partition, entry.offset): condemned for entry in entries} if condemned else None
        decoded = decode_batch(messages, self.decoder, partial(compare, self.connection), condemned=refused)
        parts = archive_parts(decoded)
        note = None
        if parts:
            files = [ExpectedFile(part.night, part.name) for part in parts]
            note = self.pending.announce([QUARANTINE_PARTITION], files)
        groups = write_archive(decoded, parts, self.archive_url, self.topic, self.decoder.framing)
        if note is not None:
            self.pending.confirm(note)
        enriched = self.plan.compute(decoded.tables, self.connection, stamps=decoded.stamps)
        ensure_partitions(self.connection, decoded)
        with self.connection.transaction():
            share_nights(self.connection, np.unique(decoded.nights))
            ingestid = ledger.open_batch(
                self.connection, topic=self.topic, kind="retry", code_version=CODE_VERSION, started_at=started,
                run_id=self.report.run_id,
            )  # fmt: skip
            written, facts = write_rows(self.connection, ingestid, decoded, groups, plan=self.plan, enriched=enriched)
            resolved = [entries[number].quarantineid for number in decoded.packets.tolist()]
            if resolved:
                quarantine.resolve(self.connection, resolved, ingestid)
            for number, reason in decoded.failed.items():
                quarantine.fail(
                    self.connection, entries[number].quarantineid, reason=reason.reason, traceback=reason.traceback
                )
            entry = ledger.BatchEntry(
                received=len(messages),
                stored=written.stored,
                duplicate=written.duplicate,
                quarantined=len(decoded.failed),
                bytes=sum(len(message.value) for message in messages),
            )
            ledger.close_batch(self.connection, ingestid, entry, nights=written.nights)
        self.pending.settle(note)
        self.report.retried += len(messages)
        self.report.stored += written.stored
        self.report.duplicate += written.duplicate
        self.report.failed += len(decoded.failed)
        self.report.reasons.update(reason.reason for reason in decoded.failed.values())
        for night, counts in night_counts(written, groups, facts).items():
            self.report.nights[night] = self.report.nights.get(night, NightCounts()) + counts


def _message(entry: quarantine.QuarantineEntry) -> Message:
    stamp = -1 if entry.kafka_timestamp is None else round(entry.kafka_timestamp.timestamp() * 1000)
    return Message(entry.partition, entry.offset, stamp, entry.key, entry.payload)

"""Retries quarantined messages of annotators after a fix, through the same code as the stream."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from broker_assets.accounting import ledger, quarantine
from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import AnnotationStream, read_message
from broker_assets.stream.annotations import ANNOTATIONS_VERSION, batch_entry, write_messages
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import is_of_a_message
from broker_assets.stream.messages import Message
from broker_assets.stream.retry import RetryReport
from broker_assets.stream.topic_run import Entries, retry_entries

ENTRIES_AT_A_TIME: Final = 500
"""Most entries that are retried in one transaction."""


def retry_annotations(
    database_url: str,
    stream: AnnotationStream,
    settings: AnnotationSettings,
    *,
    quarantineids: Sequence[int] | None = None,
    run_id: str | None = None,
) -> RetryReport:
    """Apply the quarantined messages of a stream again, after a fix.

    An annotation older than what the annotator has since written goes only into the history.

    Parameters
    ----------
    database_url, stream, settings
        See `annotations.read_annotations`.
    quarantineids : sequence of int, optional
        Only these entries; default: all that are open or were retried before.
    run_id : str, optional
        Goes into the ledger.

    Raises
    ------
    StreamBusy
        If the quarantine of this stream is already being retried; nothing is changed.
    """
    report = RetryReport(run_id)

    def retry(connection: psycopg.Connection[Any], entries: Entries) -> None:
        _retry(connection, stream, settings, entries, report)

    retry_entries(database_url, stream.name, retry, at_a_time=ENTRIES_AT_A_TIME, quarantineids=quarantineids)
    return report


def _open_batch(connection: psycopg.Connection[Any], stream: AnnotationStream, report: RetryReport) -> int:
    return ledger.open_batch(
        connection, topic=stream.name, kind="retry", code_version=ANNOTATIONS_VERSION, run_id=report.run_id
    )


def _retry(
    connection: psycopg.Connection[Any],
    stream: AnnotationStream,
    settings: AnnotationSettings,
    entries: Sequence[quarantine.QuarantineEntry],
    report: RetryReport,
) -> None:
    messages = [
        Message(
            entry.partition, entry.offset,
            -1 if entry.kafka_timestamp is None else round(entry.kafka_timestamp.timestamp() * 1000),
            entry.key, entry.payload,
        )
        for entry in entries
    ]  # fmt: skip
    received = [entry.created_at for entry in entries]
    read = [read_message(stream, message, settings.message_bytes) for message in messages]
    try:
        with connection.transaction():
            ingestid = _open_batch(connection, stream, report)
            written = write_messages(connection, read, ingestid, settings, received)
            resolved = [
                entry.quarantineid for entry, fate in zip(entries, written, strict=True) if not isinstance(fate, Reason)
            ]
            if resolved:
                quarantine.resolve(connection, resolved, ingestid)
            for entry, fate in zip(entries, written, strict=True):
                if isinstance(fate, Reason):
                    quarantine.fail(connection, entry.quarantineid, reason=fate.reason, traceback=fate.traceback)
            outcome = batch_entry(written, messages)
            ledger.close_batch(connection, ingestid, outcome)
    except BaseException as error:
        if not is_of_a_message(error):
            raise
        if len(entries) > 1:
            for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
                _retry(connection, stream, settings, half, report)
            return
        with connection.transaction():
            ingestid = _open_batch(connection, stream, report)
            quarantine.fail(
                connection, entries[0].quarantineid, reason=str(error) or type(error).__name__,
                traceback=traceback.format_exc(),
            )  # fmt: skip
            outcome = ledger.BatchEntry(received=1, stored=0, duplicate=0, quarantined=1, bytes=len(entries[0].payload))
            ledger.close_batch(connection, ingestid, outcome)
        report.reasons[str(error)] += 1
    else:
        report.reasons.update(fate.reason for fate in written if isinstance(fate, Reason))
    report.retried += len(entries)
    report.stored += outcome.stored
    report.duplicate += outcome.duplicate
    report.failed += outcome.quarantined

"""Retries quarantined messages of topics whose messages are written in batches, as `topic_batches` writes them first.

If the database refuses a batch because of a message, the batch is halved until that message is found; it stays in
quarantine.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.accounting import ledger, quarantine
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import is_of_a_message
from broker_assets.stream.messages import Message
from broker_assets.stream.retry import RetryReport
from broker_assets.stream.topic_run import Entries, retry_entries

ENTRIES_AT_A_TIME: Final = 500
"""Most entries that are retried in one transaction."""


@dataclass(frozen=True)
class Applied:
    """What became of the messages of a batch."""

    outcome: ledger.BatchEntry
    refused: Mapping[int, Reason]
    """Messages that failed again, by their place in the batch."""


Apply = Callable[[psycopg.Connection[Any], Entries, Sequence[Message], int], Applied]
"""Applies the messages of some entries, within a transaction, as the batch with an `ingestid`."""


def retry_batches(
    database_url: str,
    stream: str,
    apply: Apply,
    *,
    code_version: str,
    quarantineids: Sequence[int] | None = None,
    run_id: str | None = None,
) -> RetryReport:
    """Retry the quarantined messages of a topic.

    Parameters
    ----------
    database_url, stream : str, str
        SQLAlchemy URL of the broker's database, and name of the stream.
    apply : callable
        Applies some of them.
    code_version : str
        Version of the code that does, for the ledger.
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

    def write(connection: psycopg.Connection[Any], entries: Entries, failure: Reason | None) -> Applied:
        messages = [_message(entry) for entry in entries]
        with connection.transaction():
            ingestid = ledger.open_batch(
                connection, topic=stream, kind="retry", code_version=code_version, run_id=run_id
            )
            done = apply(connection, entries, messages, ingestid) if failure is None else _nothing(messages, failure)
            good = [entry.quarantineid for place, entry in enumerate(entries) if place not in done.refused]
            if good:
                quarantine.resolve(connection, good, ingestid)
            for place, why in done.refused.items():
                quarantine.fail(connection, entries[place].quarantineid, reason=why.reason, traceback=why.traceback)
            ledger.close_batch(connection, ingestid, done.outcome)
        return done

    def retry(connection: psycopg.Connection[Any], entries: Entries, failure: Reason | None = None) -> None:
        try:
            done = write(connection, entries, failure)
        except BaseException as error:
            if failure is not None or not is_of_a_message(error):
                raise
            if len(entries) == 1:
                retry(connection, entries, Reason(str(error) or type(error).__name__, traceback.format_exc()))
                return
            for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
                retry(connection, half)
            return
        report.retried += len(entries)
        report.stored += done.outcome.stored
        report.duplicate += done.outcome.duplicate
        report.failed += done.outcome.quarantined
        report.reasons.update(why.reason for why in done.refused.values())

    retry_entries(database_url, stream, retry, at_a_time=ENTRIES_AT_A_TIME, quarantineids=quarantineids)
    return report


def _message(entry: quarantine.QuarantineEntry) -> Message:
    milliseconds = -1 if entry.kafka_timestamp is None else round(entry.kafka_timestamp.timestamp() * 1000)
    return Message(entry.partition, entry.offset, milliseconds, entry.key, entry.payload)


def _nothing(messages: Sequence[Message], failure: Reason) -> Applied:
    outcome = ledger.BatchEntry(
        received=len(messages), stored=0, duplicate=0, quarantined=len(messages),
        bytes=sum(len(message.value) for message in messages),
    )  # fmt: skip
    return Applied(outcome, dict.fromkeys(range(len(messages)), failure))

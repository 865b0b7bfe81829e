"""Retries quarantined messages of annotators after a fix, through the same code as the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import AnnotationStream, read_message
from broker_assets.stream.annotations import ANNOTATIONS_VERSION, batch_entry, write_messages
from broker_assets.stream.batch_retry import Applied, retry_batches
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message
from broker_assets.stream.retry import RetryReport
from broker_assets.stream.topic_run import Entries


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
        read = [read_message(stream, message, settings.message_bytes) for message in messages]
        received = [entry.created_at for entry in entries]
        written = write_messages(connection, read, ingestid, settings, received)
        refused = {place: fate for place, fate in enumerate(written) if isinstance(fate, Reason)}
        return Applied(batch_entry(written, messages), refused)

    return retry_batches(
        database_url, stream.name, apply, code_version=ANNOTATIONS_VERSION, quarantineids=quarantineids, run_id=run_id
    )

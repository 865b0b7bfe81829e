"""Stores an upload of classifications as a batch of the ledger: received = stored + known, with the sender and the
bytes."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import psycopg
import pyarrow as pa

from broker_assets.accounting import ledger
from broker_assets.tom.messages.storing import UPLOADS, StoredMessages, store_messages

UPLOAD_VERSION: Final = "uploads 1"
"""Version of the code that turns uploads into rows; raise it when the rows change."""


def store_upload(
    connection: psycopg.Connection[Any], messages: pa.Table, *, username: str, content: bytes
) -> StoredMessages:
    """Store what an account has uploaded.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, which the caller commits.
    messages : pyarrow.Table
        Table from `forms.uploaded`.
    username : str
        The account.
    content : bytes
        Body of the request.

    Returns
    -------
    StoredMessages
        Counts.
    """
    ingestid = ledger.open_batch(connection, topic=UPLOADS, kind="annotation", code_version=UPLOAD_VERSION)
    connection.execute(
        "INSERT INTO message_uploads (ingestid, username, sha256) VALUES (%s, %s, %s)",
        (ingestid, username, hashlib.sha256(content).hexdigest()),
    )
    done = store_messages(connection, messages, ingestid=ingestid)
    entry = ledger.BatchEntry(
        received=done.received, stored=done.stored, duplicate=done.duplicate, quarantined=0, bytes=len(content)
    )
    ledger.close_batch(connection, ingestid, entry)
    return done

"""An upload is a batch of the ledger, whatever of it is new, and of several at once each closes."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import balance
from broker_assets.database import engine
from broker_assets.tom.messages.forms import uploaded
from broker_assets.tom.messages.uploading import UPLOAD_VERSION, store_upload

pytestmark = pytest.mark.database


def message(number: int) -> dict[str, Any]:
    return {
        "alertId": number, "diaSourceId": number, "elasticcPublishTimestamp": 1.7e12, "brokerIngestTimestamp": 1.7e12,
        "brokerName": "AMPEL", "brokerVersion": None, "classifierName": "snn", "classifierParams": "1",
        "classifications": [{"classId": 2222, "probability": 1.0}],
    }  # fmt: skip


def upload(url: str, numbers: range) -> None:
    messages = [message(number) for number in numbers]
    with engine.connect(url) as connection, connection.transaction():
        store_upload(connection, uploaded(messages), username="anna", content=json.dumps(messages).encode())


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_an_upload_is_a_batch(database_url: str) -> None:
    upload(database_url, range(3))
    upload(database_url, range(1, 5))
    with engine.connect(database_url) as connection:
        batches = rows(connection, "SELECT topic, kind, code_version, received, stored, duplicate, quarantined,"
                                   " finished_at >= started_at FROM ingest_batch ORDER BY ingestid")  # fmt: skip
        common = ("REST_push", "annotation", UPLOAD_VERSION)
        assert batches == [(*common, 3, 3, 0, 0, True), (*common, 4, 2, 2, 0, True)]
        assert balance.batches(connection) == []
        content = json.dumps([message(number) for number in range(3)]).encode()
        ((username, digest),) = rows(
            connection, "SELECT username, sha256 FROM message_uploads ORDER BY ingestid LIMIT 1"
        )
        assert (username, digest) == ("anna", hashlib.sha256(content).hexdigest())
        by_batch = rows(connection, "SELECT count(*) FROM elasticc2_brokermessage GROUP BY ingestid ORDER BY ingestid")
        assert by_batch == [(3,), (2,)]


def test_uploads_at_once_all_close(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: upload(database_url, range(start, start + 30)), (0, 10, 20, 0)))
    with engine.connect(database_url) as connection:
        assert rows(connection, "SELECT sum(received), sum(stored), count(*) FROM ingest_batch") == [(120, 50, 4)]
        assert balance.batches(connection) == []

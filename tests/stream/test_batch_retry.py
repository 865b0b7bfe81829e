"""Retries of quarantined messages in batches: the one that fails is found, and the others are not held up by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import balance, ledger, quarantine
from broker_assets.database.engine import connect
from broker_assets.stream.batch_retry import Applied, retry_batches
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message
from broker_assets.stream.topic_run import Entries

pytestmark = pytest.mark.database


@pytest.fixture
def quarantined(database_url: str) -> str:
    """Five messages in quarantine: `refuse` fails in the database, `known` is a duplicate, `bad` cannot be read."""
    values = (b"a", b"known", b"refuse", b"bad", b"e")
    with connect(database_url) as connection, connection.transaction():
        ingestid = ledger.open_batch(connection, topic="t", kind="annotation", code_version="1", run_id=None)
        messages = [
            quarantine.QuarantinedMessage(
                topic="t", partition=0, offset=offset, kafka_timestamp=None, key=None, payload=value, reason="first"
            )
            for offset, value in enumerate(values)
        ]
        quarantine.add(connection, ingestid, messages)
        entry = ledger.BatchEntry(received=5, stored=0, duplicate=0, quarantined=5, bytes=16)
        ledger.close_batch(connection, ingestid, entry)
    return database_url


def test_the_one_that_the_database_refuses_is_found_by_halving(quarantined: str) -> None:
    together: list[list[bytes]] = []

    def apply(
        connection: psycopg.Connection[Any], entries: Entries, messages: Sequence[Message], ingestid: int
    ) -> Applied:
        values = [message.value for message in messages]
        together.append(values)
        if b"refuse" in values:
            raise psycopg.errors.CheckViolation("not that one")
        refused = {place: Reason("cannot be read") for place, value in enumerate(values) if value == b"bad"}
        known = values.count(b"known")
        outcome = ledger.BatchEntry(
            received=len(values), stored=len(values) - known - len(refused), duplicate=known, quarantined=len(refused)
        )
        return Applied(outcome, refused)

    report = retry_batches(quarantined, "t", apply, code_version="2", run_id="run")
    assert together[-4:] == [[b"a", b"known"], [b"refuse", b"bad", b"e"], [b"refuse"], [b"bad", b"e"]]
    assert (report.retried, report.stored, report.duplicate, report.failed) == (5, 2, 1, 2)
    assert report.reasons == {"not that one": 1, "cannot be read": 1}
    with connect(quarantined) as connection:
        left = {entry.payload: entry.reason for entry in quarantine.entries(connection, topic="t")}
        assert balance.batches(connection) == []
    assert left == {b"refuse": "not that one", b"bad": "cannot be read"}


def test_without_the_database_nothing_is_blamed(quarantined: str) -> None:
    def apply(*given: Any) -> Applied:
        raise psycopg.OperationalError("gone")

    with pytest.raises(psycopg.OperationalError):
        retry_batches(quarantined, "t", apply, code_version="2")
    with connect(quarantined) as connection:
        assert {entry.reason for entry in quarantine.entries(connection, topic="t")} == {"first"}

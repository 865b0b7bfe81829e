"""Quarantine: what a fix makes readable becomes rows, once; the rest stays."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from broken_adapter import BrokenAdapter

from broker_assets.accounting import attempts
from broker_assets.accounting.ledger import StreamBusy, lock_partitions
from broker_assets.database.engine import connect
from broker_assets.stream.retry import QUARANTINE_PARTITION, retry_quarantine

pytestmark = pytest.mark.database

VISITS = [(0, 61000.2), (1, 61001.2)]


@pytest.fixture
def poisoned(broker: Any, packets: ModuleType) -> Any:
    """Thirteen is refused by a broken adapter; another message is no packet at all."""
    adapter = BrokenAdapter(lambda identity: 13 in identity.diaobjectid, "thirteen")
    values = [packets.encode(packets.alert(object_id, VISITS)) for object_id in range(10, 16)]
    report = broker.drain(packets.ListSource.of([*values, b"no packet"]), decoder=lambda: broker.decoder(adapter))
    assert (report.stored, report.quarantined) == (5, 2)
    return broker


def retry(broker: Any, **options: Any) -> Any:
    """Retry the quarantine of the topic."""
    return retry_quarantine(
        broker.database_url, broker.archive_url, broker.decoder, topic=broker.topic, plan=broker.plan, **options
    )


def test_fixed_message_becomes_rows(poisoned: Any) -> None:
    """Rows, archive and state together; the hopeless one stays and says why."""
    report = retry(poisoned)
    assert (report.retried, report.stored, report.duplicate, report.failed) == (2, 1, 0, 1)
    assert poisoned.query('SELECT state FROM quarantine ORDER BY "offset"') == [("resolved",), ("retried",)]
    assert poisoned.value("SELECT count(*) FROM diasources WHERE diaobjectid = 13") == 2
    assert poisoned.value("SELECT sum(packets) FROM archive_file") == 6
    assert poisoned.query("SELECT received, stored, quarantined FROM ingest_batch WHERE kind = 'retry'") == [(2, 1, 1)]
    assert len(poisoned.archive_files()) == poisoned.value("SELECT count(*) FROM archive_file")
    assert set(report.nights) == {night for _, night in report.data_versions}


def test_second_retry_adds_nothing(poisoned: Any) -> None:
    """Only what is still waiting is read again."""
    retry(poisoned)
    report = retry(poisoned)
    assert (report.retried, report.stored, report.failed) == (1, 0, 1)
    assert poisoned.value("SELECT count(*) FROM diasources WHERE diaobjectid = 13") == 2


def test_only_chosen_entries(poisoned: Any) -> None:
    """By identifier."""
    [(chosen,)] = poisoned.query("SELECT quarantineid FROM quarantine WHERE payload = 'no packet'::bytea")
    report = retry(poisoned, quarantineids=[chosen])
    assert (report.retried, report.failed) == (1, 1)


def test_refusal_of_the_database_condemns_one(poisoned: Any) -> None:
    """What the server refuses stays in quarantine with the server's reason."""
    poisoned.execute("ALTER TABLE objects ADD CONSTRAINT no_thirteen CHECK (diaobjectid <> 13)")
    report = retry(poisoned)
    assert (report.stored, report.failed) == (0, 2)
    reasons = [reason for (reason,) in poisoned.query('SELECT reason FROM quarantine ORDER BY "offset"')]
    assert "no_thirteen" in reasons[0]


def test_one_at_a_time(poisoned: Any) -> None:
    """A second retry of the topic ends without having changed anything."""
    from broker_assets.database.engine import connect

    with (
        connect(poisoned.database_url, autocommit=True) as other,
        lock_partitions(other, poisoned.topic, [-1]),
        pytest.raises(StreamBusy),
    ):
        retry(poisoned)


def test_an_entry_that_ended_runs_is_left_alone_unless_it_is_asked_for(poisoned: Any) -> None:
    entries = dict(poisoned.query("SELECT payload = 'no packet'::bytea, quarantineid FROM quarantine"))
    deadly, other = entries[False], entries[True]
    with connect(poisoned.database_url, autocommit=True) as connection:
        for run in ("first", "second"):
            first, end = sorted((deadly, other))
            attempts.begin(connection, poisoned.topic, {QUARANTINE_PARTITION: (first, end + 1)}, f"{run} of all")
            attempts.begin(connection, poisoned.topic, {QUARANTINE_PARTITION: (deadly, deadly + 1)}, f"{run} alone")
    report = retry(poisoned)
    assert (report.retried, report.failed) == (1, 1)
    assert poisoned.query("SELECT state FROM quarantine WHERE quarantineid = %s", [deadly]) == [("open",)]
    report = retry(poisoned, quarantineids=[deadly])
    assert (report.retried, report.stored) == (1, 1)
    assert poisoned.value("SELECT count(*) FROM stream_attempt WHERE run_id IS NOT NULL AND attempts < 2") == 0

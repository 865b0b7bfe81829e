"""Quarantine is known at the next look, during a run and without the hourly checks."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance
from operator_mailbox import Operator
from telemetry_records import Records

from broker_assets.resources.object_store import ObjectStore
from broker_assets.sensors.watch.live_checks import live_checks
from broker_assets.settings import Settings, StreamSettings

pytestmark = pytest.mark.database


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, datetime.datetime.now(datetime.UTC))


@pytest.fixture
def operator(records: Records) -> Iterator[Operator]:
    settings = records.settings.model_copy(
        update={"streams": [StreamSettings(topic="one", survey="rubin", framing="confluent")]}
    )
    with DagsterInstance.ephemeral() as instance:
        yield Operator(
            instance, records.database.url, live=live_checks(settings), object_store=ObjectStore("memory://")
        )


def evaluations(operator: Operator, asset: str, name: str) -> list[bool]:
    """Of a check, oldest first."""
    key = AssetCheckKey(AssetKey.from_user_string(asset), name)
    found = operator.instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
    return [record.evaluation.passed for record in reversed(found) if record.evaluation is not None]


def test_telemetry_file_in_quarantine_is_told_at_once_and_its_end_too(operator: Operator, records: Records) -> None:
    assert operator.told() == []
    records.file("broken.xml", state="quarantined", reason="no packet in it")
    (subject,) = operator.told()
    assert subject.startswith("error: telemetry_register: failing_files: 1 telemetry file is in quarantine: broken.xml")
    assert operator.told() == []
    records.execute("UPDATE telemetry_file SET state = 'processed'")
    assert [told.partition(":")[0] for told in operator.told()] == ["resolved"]
    assert evaluations(operator, "telemetry_register", "failing_files") == [False, True]


def test_second_file_is_shown_but_no_new_alert(operator: Operator, records: Records) -> None:
    for number in (1, 2):
        records.file(f"broken{number}.xml", state="quarantined", reason="no packet in it")
        operator.look()
    assert len(operator.mailbox.told()) == 1
    assert operator.notifier.lasting()[0].count == 2
    assert evaluations(operator, "telemetry_register", "failing_files") == [False, False]


def test_share_of_quarantined_messages(operator: Operator, records: Records) -> None:
    insert = (
        "WITH batch AS (INSERT INTO ingest_batch"
        " (topic, kind, code_version, started_at, finished_at, received, stored, quarantined)"
        " VALUES ('one', 'stream', '1', now(), now(), 100, {stored}, {quarantined}) RETURNING ingestid)"
        ' INSERT INTO quarantine (topic, "partition", "offset", payload, reason, ingestid)'
        " SELECT 'one', 0, number, '', 'unreadable', ingestid FROM batch, generate_series(1, {quarantined}) AS number"
    )
    operator.query(insert.format(stored=99, quarantined=1))
    (told,) = operator.told()
    assert told == "warning: alert_stream/one: quarantine_share: 1 of 100 messages of the last day wait in quarantine"
    operator.query(insert.format(stored=99, quarantined=1))
    assert operator.told() == []
    assert evaluations(operator, "alert_stream/one", "quarantine_share") == [False], "larger numbers are no news"
    operator.query(insert.format(stored=0, quarantined=100))
    (told,) = operator.told()
    assert told.startswith("error: alert_stream/one: quarantine_share: 102 of 300")
    operator.query("UPDATE quarantine SET state = 'dismissed'")
    assert [told.partition(":")[0] for told in operator.told()] == ["resolved"]


def test_without_folders_telemetry_is_not_looked_at() -> None:
    assert {one.asset for one in live_checks(Settings(streams=[]))} == {"deliveries"}

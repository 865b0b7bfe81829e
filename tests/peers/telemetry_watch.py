"""Checks of telemetry through Dagster, and the mailbox that hears of failures."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetSpec,
    DagsterInstance,
    Definitions,
    SkipReason,
    build_sensor_context,
    in_process_executor,
)
from telemetry_records import Records

from broker_assets.checks.publication import build_receipts_check
from broker_assets.checks.telemetry import build_telemetry_checks
from broker_assets.jobs.check_telemetry import build_check_telemetry
from broker_assets.monitoring.telemetry.judgements import JUDGEMENTS
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.alerting import build_alerting

NOW = datetime.datetime.now(datetime.UTC)


class Mailbox:
    """A destination that keeps what it is sent."""

    name = "mailbox"

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.bodies: list[str] = []

    def send(self, subject: str, body: str) -> None:
        self.subjects.append(subject.removeprefix("[broker-assets] "))
        self.bodies.append(body)


class Watch:
    """The job and the alerting, over rows of a test."""

    def __init__(self, records: Records, instance: DagsterInstance) -> None:
        self.records = records
        self.instance = instance
        self.mailbox = Mailbox()
        self._cursor: str | None = None
        assets = sorted({judgement.asset for judgement in JUDGEMENTS})
        self.definitions = Definitions(
            assets=[AssetSpec(name) for name in assets],
            asset_checks=[*build_telemetry_checks(records.settings), build_receipts_check()],
            jobs=[build_check_telemetry(records.settings)],
            sensors=[build_alerting()],
            resources={
                "database": records.database,
                "object_store": ObjectStore("memory://"),
                "publisher": Publisher.of(records.settings, Telemetry.of(records.settings)),
                "notifier": Notifier(records.database, [self.mailbox]),
            },
            executor=in_process_executor,
        )

    def run(self) -> dict[str, bool]:
        """Run the job; gives what passed."""
        result = self.definitions.resolve_job_def("check_telemetry").execute_in_process(instance=self.instance)
        assert result.success
        return {
            f"{e.asset_key.to_user_string()}/{e.check_name}": e.passed for e in result.get_asset_check_evaluations()
        }

    def tick(self) -> list[str]:
        """Let the alerting look; gives the subjects of what was told."""
        context = build_sensor_context(
            instance=self.instance, cursor=self._cursor, definitions=self.definitions,
            resources={"notifier": Notifier(self.records.database, [self.mailbox])},
        )  # fmt: skip
        result = self.definitions.resolve_sensor_def("alerting")(context)
        assert isinstance(result, SkipReason)
        self._cursor = context.cursor
        told, self.mailbox.subjects = self.mailbox.subjects, []
        return told


@pytest.fixture
def watch(database_url: str, tmp_path: Path) -> Iterator[Watch]:
    with DagsterInstance.ephemeral() as instance:
        yield Watch(Records(database_url, tmp_path, NOW), instance)

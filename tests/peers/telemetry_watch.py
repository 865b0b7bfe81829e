"""Checks of telemetry in Dagster, and the mailbox that receives alerts about failures."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetSpec,
    DagsterInstance,
    Definitions,
    in_process_executor,
)
from operator_mailbox import Operator
from telemetry_records import Records

from broker_assets.checks.publication import build_receipts_check
from broker_assets.checks.telemetry import build_telemetry_checks
from broker_assets.jobs.check_telemetry import build_check_telemetry
from broker_assets.monitoring.telemetry.judgements import JUDGEMENTS
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry

NOW = datetime.datetime.now(datetime.UTC)


class Watch:
    """The job and the alerting, over rows of a test."""

    def __init__(self, records: Records, instance: DagsterInstance) -> None:
        self.records = records
        self.instance = instance
        self.operator = Operator(instance, records.database.url)
        assets = sorted({judgement.asset for judgement in JUDGEMENTS})
        self.definitions = Definitions(
            assets=[AssetSpec(name) for name in assets],
            asset_checks=[*build_telemetry_checks(records.settings), build_receipts_check()],
            jobs=[build_check_telemetry(records.settings)],
            resources={
                "database": records.database,
                "object_store": ObjectStore("memory://"),
                "publisher": Publisher.of(records.settings, Telemetry.of(records.settings)),
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
        return self.operator.told()


@pytest.fixture
def watch(database_url: str, tmp_path: Path) -> Iterator[Watch]:
    with DagsterInstance.ephemeral() as instance:
        yield Watch(Records(database_url, tmp_path, NOW), instance)

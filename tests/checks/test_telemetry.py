"""The checks of telemetry: all in one run, each on its own, and as alerts to operators."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
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

pytestmark = pytest.mark.database

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


def test_every_check_is_evaluated_in_one_run(watch: Watch) -> None:
    checks = watch.run()
    assert all(checks.values())
    defined = {
        key.to_user_string().replace(":", "/") for key in watch.definitions.resolve_asset_graph().asset_check_keys
    }
    assert set(checks) == defined
    assert "published_files/receipts_hold" in checks
    assert watch.tick() == []


def test_what_fails_is_told_once_and_again_after_it_was_well(watch: Watch) -> None:
    watch.records.file("old.xml", seen=5)
    assert [name for name, passed in watch.run().items() if not passed] == ["telemetry_register/backlog"]
    assert watch.tick() == ["error: telemetry_register: backlog"]
    assert re.search(r"the oldest for 5\.\d hours", watch.mailbox.bodies[0])
    watch.run()
    assert watch.tick() == []
    watch.records.execute("UPDATE telemetry_file SET state = 'gone'")
    watch.run()
    assert watch.tick() == []
    watch.records.execute("UPDATE telemetry_file SET state = 'new'")
    watch.run()
    assert watch.tick() == ["error: telemetry_register: backlog"]


def test_each_check_runs_on_its_own(watch: Watch) -> None:
    watch.records.product("LB", "2024-05-01")
    watch.records.product("LB", "2024-05-03")
    key = AssetCheckKey(AssetKey("telemetry_register"), "bad_packets")
    (checks,) = [check for check in watch.definitions.asset_checks or () if key in getattr(check, "check_keys", ())]
    result = Definitions(
        assets=[AssetSpec("telemetry_register")], asset_checks=[checks], resources=watch.definitions.resources
    ).resolve_implicit_global_asset_job_def().execute_in_process(instance=watch.instance)  # fmt: skip
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed


def test_a_blacklist_that_is_gone_fails_its_checks_and_hides_no_other(watch: Watch, tmp_path: Path) -> None:
    watch.records.settings.publication.blacklist = tmp_path / "gone.txt"
    checks = watch.run()
    failed = {name for name, passed in checks.items() if not passed}
    assert failed == {"published_files/published_as_due", "published_files/held_back"}

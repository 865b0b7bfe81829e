"""Failed runs are alerts of what they should have made, and end when it is made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSpec,
    AssetKey,
    AssetSpec,
    Definitions,
    Failure,
    MaterializeResult,
    StaticPartitionsDefinition,
    asset,
    job,
    materialize,
    multi_asset,
    op,
)
from operator_mailbox import Operator

from broker_assets.assets.alerts.streams import DRAIN_TAG
from broker_assets.assets.reporter import ADDS_TAG
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.sensors.watch.runs import PAGE

pytestmark = pytest.mark.database

NIGHTS = StaticPartitionsDefinition(["2024-05-01", "2024-05-02"])


def fail(operator: Operator, night: str, error: str = "no space for 12 bytes", *, fails: bool = True) -> str:
    """Materialise a night of a step that makes two assets, and of one that depends on it."""

    @multi_asset(specs=[AssetSpec("sources"), AssetSpec("objects")], partitions_def=NIGHTS)
    def rows() -> Iterator[MaterializeResult]:
        if fails:
            raise OSError(error)
        yield MaterializeResult("sources")
        yield MaterializeResult("objects")

    @asset(deps=["sources"], partitions_def=NIGHTS)
    def facts() -> None:
        pass

    return materialize([rows, facts], instance=operator.instance, partition_key=night, raise_on_error=False).run_id


def test_damage_to_one_night_does_not_hide_that_to_another(operator: Operator) -> None:
    """The same error, but for its numbers, is a cause of its own in each partition."""
    run_id = fail(operator, "2024-05-01")
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "error: objects of 2024-05-01: run failed: OSError: no space for 12 bytes"
    assert "Not made, either: sources." in body
    assert "facts" not in body, "it only waited for the step that failed"
    assert "Next step: read the error on the page of the run; after the fix, materialise objects of 2024-05-01" in body
    assert f"http://host:3000/runs/{run_id}" in body
    operator.mailbox.told()
    fail(operator, "2024-05-02", "no space for 99 bytes")
    assert operator.told() == ["error: objects of 2024-05-02: run failed: OSError: no space for 99 bytes"]


def test_every_step_that_failed_is_an_alert(operator: Operator) -> None:
    """Assets that are chosen together are made by one run, which continues where nothing depends on what failed."""

    @asset(partitions_def=NIGHTS, check_specs=[AssetCheckSpec("balances", asset="housekeeping", blocking=True)])
    def housekeeping() -> MaterializeResult:
        check = AssetCheckResult(check_name="balances", passed=False, description="2 rows are missing")
        return MaterializeResult(check_results=[check])

    @asset(partitions_def=NIGHTS)
    def quicklook() -> None:
        raise OSError("no kernel")

    @asset(partitions_def=NIGHTS)
    def science() -> None:
        raise OSError("no table of requests")

    @asset(deps=[quicklook], partitions_def=NIGHTS)
    def calibrated() -> None:
        pass

    materialize(
        [housekeeping, quicklook, science, calibrated],
        instance=operator.instance,
        partition_key="2024-05-01",
        raise_on_error=False,
    )
    operator.look()
    ((_, body),) = operator.mailbox.messages
    headings = sorted(line.strip("*") for line in body.splitlines() if line.startswith("**"))
    assert headings == [
        "error: housekeeping: balances: 2 rows are missing",
        "error: quicklook of 2024-05-01: run failed: OSError: no kernel",
        "error: science of 2024-05-01: run failed: OSError: no table of requests",
    ]
    operator.mailbox.told()
    operator.made("science", "2024-05-01")
    assert operator.told() == ["resolved: science of 2024-05-01: run failed: OSError: no table of requests"]


def test_materialisation_of_the_partition_ends_it(operator: Operator) -> None:
    fail(operator, "2024-05-01")
    operator.look()
    operator.mailbox.told()
    fail(operator, "2024-05-02", fails=False)
    assert operator.told() == []
    fail(operator, "2024-05-01", fails=False)
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "resolved: objects of 2024-05-01: run failed: OSError: no space for 12 bytes"
    assert "a later materialisation succeeded" in body


def test_alerts_that_are_added_to_a_night_do_not_end_it(operator: Operator) -> None:
    fail(operator, "2024-05-01")
    operator.look()
    operator.mailbox.told()
    for _ in range(PAGE + 1):
        operator.made("objects", "2024-05-01", **{ADDS_TAG: "true"})
    assert operator.told() == []
    operator.made("objects", "2024-05-01")
    operator.made("objects", "2024-05-01", **{ADDS_TAG: "true"})
    assert operator.told() == ["resolved: objects of 2024-05-01: run failed: OSError: no space for 12 bytes"]


def test_failure_and_success_between_two_looks_are_not_told(operator: Operator) -> None:
    fail(operator, "2024-05-01")
    fail(operator, "2024-05-01", fails=False)
    assert operator.told() == []


def test_run_without_assets_is_its_job_and_ends_when_the_job_succeeds(operator: Operator) -> None:
    operator.run("maintenance", "disk is full")
    assert operator.told() == ["error: maintenance: run failed: ValueError: disk is full"]
    operator.run("another")
    assert operator.told() == []
    operator.run("maintenance")
    assert operator.told() == ["resolved: maintenance: run failed: ValueError: disk is full"]


def test_drain_run_is_its_stream_and_partitions(operator: Operator) -> None:
    operator.run("drain", "broken", **{DRAIN_TAG: "rubin-alerts:0-3"})
    assert operator.told() == ["error: alert_stream/rubin-alerts of 0-3: run failed: ValueError: broken"]
    operator.run("drain", **{DRAIN_TAG: "rubin-alerts:4-7"})
    assert operator.told() == []
    operator.run("drain", **{DRAIN_TAG: "rubin-alerts:0-3"})
    assert operator.told() == ["resolved: alert_stream/rubin-alerts of 0-3: run failed: ValueError: broken"]


def test_run_that_will_be_retried_is_no_alert(operator: Operator) -> None:
    operator.run("drain", "crash", **{"dagster/will_retry": "true"})
    assert operator.told() == []


def test_run_that_failed_for_a_check_is_told_by_the_check(operator: Operator) -> None:
    @op(out={})
    def reports() -> Iterator[AssetCheckEvaluation]:
        yield AssetCheckEvaluation(asset_key=AssetKey("sources"), check_name="balances", passed=False, blocking=True)

    @job
    def reporting() -> None:
        reports()

    assert not reporting.execute_in_process(instance=operator.instance, raise_on_error=False).success
    assert operator.told() == ["error: sources: balances: it did not pass"]


def test_failure_that_says_what_to_do(operator: Operator) -> None:
    @asset
    def archive() -> None:
        raise Failure("1 of 2 files are damaged", {"damaged": ["a.avro"], "next step": "restore a.avro"})

    materialize([archive], instance=operator.instance, raise_on_error=False)
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "error: archive: run failed: 1 of 2 files are damaged"
    assert body.split("\n\n")[1:4] == ["1 of 2 files are damaged", "damaged: a.avro", "Next step: restore a.avro"]


def test_modules_of_an_error_are_left_out(operator: Operator) -> None:
    @asset
    def index() -> None:
        raise DatabaseUnavailableError("no server")

    materialize([index], instance=operator.instance, raise_on_error=False)
    assert operator.told() == ["error: index: run failed: DatabaseUnavailableError: no server"]


def test_asset_without_partitions(operator: Operator) -> None:
    @asset
    def index() -> None:
        raise OSError("disk is full")

    Definitions(assets=[index]).resolve_implicit_global_asset_job_def().execute_in_process(
        instance=operator.instance, raise_on_error=False
    )
    assert operator.told() == ["error: index: run failed: OSError: disk is full"]
    operator.made("index")
    assert operator.told() == ["resolved: index: run failed: OSError: disk is full"]

"""The checks of telemetry: all in one run, each on its own, and as alerts to operators."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSpec,
    Definitions,
)
from telemetry_watch import Watch, watch

__all__ = ["watch"]

pytestmark = pytest.mark.database

NOW = datetime.datetime.now(datetime.UTC)


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

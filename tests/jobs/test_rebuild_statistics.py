"""The job that starts Spark; what Spark computes is in `tests/lightcurves/test_archive_statistics.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from dagster import DagsterInstance

from broker_assets.jobs.rebuild_statistics import build_rebuild_statistics
from broker_assets.resources.database import Database

pytestmark = pytest.mark.database

CONFIG = {"ops": {"rebuild_statistics_of_all": {"config": {"target": "t", "master": "local[1]", "parts": 2}}}}


@pytest.mark.parametrize(("installed", "reason"), [(0, "Spark is not installed"), (1, "nothing is in the cold")])
def test_what_is_missing_is_named(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, reason: str
) -> None:
    if installed:
        (tmp_path / "pyspark").mkdir()
        (tmp_path / "pyspark" / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setitem(sys.modules, "pyspark", None)
    with DagsterInstance.ephemeral() as instance:
        result = build_rebuild_statistics().execute_in_process(
            run_config=CONFIG,
            resources={"database": Database(database_url)},
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    failure = result.failure_data_for_node("rebuild_statistics_of_all")
    assert failure is not None
    assert reason in str(failure.user_failure_data)

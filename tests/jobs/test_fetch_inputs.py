"""A run that fetches an input: what is downstream sees other files; a failure is one, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from broker_assets.database.engine import connect
from broker_assets.jobs.fetch_inputs import LOCK, build_fetch_inputs
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_runs(database_url: str, tmp_path: Path) -> None:
    there = tmp_path / "there" / "mk"
    there.mkdir(parents=True)
    (there / "a.tm").write_text("x")
    settings = Settings.model_validate(
        {
            "home": tmp_path,
            "telemetry": {
                "kernels": tmp_path / "kernels",
                "sources": [{"input": "spice_kernels", "url": str(tmp_path / "there"), "total_bytes": 100}],
            },
        }
    )
    telemetry = Telemetry.of(settings)
    resources = {"database": Database(database_url), "telemetry": telemetry}
    config = {"ops": {"fetch_input": {"config": {"source": "spice_kernels"}}}}
    before = telemetry.files_version(tmp_path / "kernels")
    with DagsterInstance.ephemeral() as instance:

        def run() -> bool:
            done = build_fetch_inputs().execute_in_process(config, instance, resources=resources, raise_on_error=False)
            return done.success

        with connect(database_url) as other:
            other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (LOCK + "spice_kernels",))
            assert run(), "it leaves the work to the one that has the lock"
        assert not (tmp_path / "kernels").exists()
        assert run()
        after = telemetry.files_version(tmp_path / "kernels")
        assert after not in (None, before)
        (there / "b.tm").write_text("y" * 101)
        assert not run()
        assert telemetry.files_version(tmp_path / "kernels") == after

"""The job that marks what a changed catalogue concerns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions

from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.store import CatalogueStore
from broker_assets.jobs.compare_catalogues import build_compare_catalogues
from broker_assets.resources.database import Database

pytestmark = pytest.mark.database


def test_a_run_notes_up_to_which_version_it_has_compared(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "vsx.csv"
    path.write_text("identifier,ra,dec\nA,1.0,20.0\n")
    version = CatalogueStore(tmp_path / "catalogues").add("vsx", path).version
    made = build_compare_catalogues(CataloguesInForce(tmp_path / "catalogues"), ["object_features"])
    database = Database(database_url)
    job: Any = Definitions(jobs=[made], resources={"database": database}).resolve_job_def("compare_catalogues")
    with DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    with database.transaction() as connection:
        rows = connection.execute("SELECT version FROM context_compared WHERE name = 'vsx'").fetchall()
    assert rows == [(version,)]

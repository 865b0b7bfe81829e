"""A run that works on queued SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance, Definitions

from broker_assets.access import accounts
from broker_assets.database.engine import connect
from broker_assets.jobs.queries import build_run_queries
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.tom.queries import queue
from broker_assets.tom.queries.statements import statements_of

pytestmark = pytest.mark.database


def test_all_that_waits_is_worked_on(database_url: str, tmp_path: Path) -> None:
    job = build_run_queries(Settings(home=tmp_path))
    definitions = Definitions(jobs=[job], resources={"database": Database(database_url)})
    with connect(database_url, autocommit=True) as connection:
        accounts.add(connection, "anna", None)
        for query in ("SELECT 1 AS a", "SELECT nothing"):
            queue.submit(connection, 1, statements_of(query, None), "csv")
        with DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
            messages = [str(entry.user_message) for entry in instance.all_logs(result.run_id)]
        assert {one.state for one in queue.listed(connection, 1)} == {"finished", "error"}
    assert any("(1 statements, csv): 1 rows, 7 bytes" in one for one in messages)
    assert any('column "nothing" does not exist' in one for one in messages)

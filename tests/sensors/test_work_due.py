"""A run is started when there is work and no run is in progress, and a reason is given otherwise."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, DagsterRunStatus, RunRequest, SkipReason, build_sensor_context, job

from broker_assets.automation import RECEPTION
from broker_assets.resources.database import Database
from broker_assets.sensors.work_due import build_work_due


@job
def work() -> None:
    """Nothing."""


def tick(instance: DagsterInstance, url: str, *, due: bool) -> Any:
    def is_due(connection: psycopg.Connection[Any]) -> bool:
        return connection.execute("SELECT %s", (due,)).fetchone() == (True,)

    look = build_work_due("things", work, is_due, what="things", seconds=7, description="x", priority=RECEPTION)
    assert (look.name, look.minimum_interval_seconds) == ("things", 7)
    return look(build_sensor_context(instance=instance, resources={"database": Database(url)}))


@pytest.mark.database
def test_work_starts_one_run_at_a_time(database_url: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        idle = tick(instance, database_url, due=False)
        assert isinstance(idle, SkipReason)
        assert idle.skip_message == "no things are due"
        asked = tick(instance, database_url, due=True)
        assert isinstance(asked, RunRequest)
        assert (asked.job_name, asked.tags) == ("work", {"broker/reason": "things are due", **RECEPTION})
        instance.create_run_for_job(work, status=DagsterRunStatus.STARTED)
        waits = tick(instance, database_url, due=True)
        assert isinstance(waits, SkipReason)
        assert "a run is in progress" in str(waits.skip_message)


def test_an_absent_database_is_a_reason() -> None:
    with DagsterInstance.ephemeral() as instance:
        answer = tick(instance, "postgresql+psycopg://nobody@127.0.0.1:9/nothing", due=True)
    assert isinstance(answer, SkipReason)
    assert "things cannot be read" in str(answer.skip_message)

"""A run that sends what is due."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, Definitions
from delivery_peers import receiver, settings
from queued_messages import add_sink, queue

from broker_assets.database.engine import connect
from broker_assets.jobs.deliver import build_deliver
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_what_is_due_is_sent(database_url: str) -> None:
    job = build_deliver(Settings(delivery=settings()))
    definitions = Definitions(jobs=[job], resources={"database": Database(database_url)})
    with receiver() as hook, connect(database_url, autocommit=True) as connection:
        add_sink(connection, target=hook.url())
        queue(connection, [1, 2, 3])
        with DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
            messages = [str(entry.user_message) for entry in instance.all_logs(result.run_id)]
        assert len(hook.accepted) == 3
    assert any("3 delivered, 0 given up, 0 attempts failed; 0 wait, 0 dead letters" in one for one in messages)

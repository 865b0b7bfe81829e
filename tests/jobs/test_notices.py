"""A run that applies notices, and what it says without a topic."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions

from broker_assets.database.engine import connect
from broker_assets.jobs.notices import NOT_CONFIGURED, build_read_notices
from broker_assets.resources.database import Database

pytestmark = pytest.mark.database


class Topic:
    """A Kafka of one topic, whose sources are opened anew."""

    def __init__(self, source: Any) -> None:
        self.opened = source

    def source(self, name: str) -> Any:
        """The topic from where it is; closed by the run before."""
        self.opened.closed = False
        return self.opened


def run(name: str | None, database: Database, kafka: Any) -> tuple[bool, list[str]]:
    """Whether the run succeeds, and its messages."""
    job = build_read_notices(name)
    definitions = Definitions(jobs=[job], resources={"database": database, "kafka": kafka})
    with DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance, raise_on_error=False)
        entries = instance.all_logs(result.run_id)
    return result.success, [str(entry.user_message) + str(entry.to_json()) for entry in entries]


def test_messages_are_read_once_and_counted(database_url: str, packets: ModuleType) -> None:
    kafka = Topic(packets.ListSource.of([b"not a notice", b"{}"]))
    success, messages = run("igwn.gwalert", Database(database_url), kafka)
    assert success
    assert kafka.opened.closed
    assert any("0 stored, 0 known, 2 quarantined" in message for message in messages)
    with connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (2,)
    _, again = run("igwn.gwalert", Database(database_url), kafka)
    assert any("0 stored, 0 known, 0 quarantined" in message for message in again)


def test_without_a_topic_the_run_says_what_to_set(database_url: str) -> None:
    success, messages = run(None, Database(database_url), object())
    assert not success
    assert any(NOT_CONFIGURED in message for message in messages)

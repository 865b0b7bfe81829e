"""Messages that are late, and dead letters, are warnings with a next step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dagster import AssetCheckSeverity
from queued_messages import add_sink, queue

from broker_assets.checks.definition import evidence
from broker_assets.checks.delivery import BACKLOG, DEAD, judge_backlog, judge_dead_letters, judged
from broker_assets.database.engine import connect
from broker_assets.delivery.backlog import Backlog
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings

IDLE = Backlog(0, 0, 0.0, 0, 0, 0, 0)


def test_verdicts() -> None:
    assert judge_backlog(IDLE, 900).passed
    assert judge_backlog(replace(IDLE, waiting=5, due=5, oldest_due=800.0), 900).passed
    late = judge_backlog(replace(IDLE, waiting=5, due=5, oldest_due=1800.0, failing=2), 900)
    assert (late.passed, late.severity) == (False, AssetCheckSeverity.WARN)
    assert late.description == "5 messages are due, the oldest for 30 minutes; 2 sinks fail"
    assert not judge_dead_letters(replace(IDLE, dead=1)).passed


@pytest.mark.database
def test_the_database_is_looked_at(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        add_sink(connection)
        queue(connection, [1, 2])
        connection.execute("UPDATE deliveries SET created_at = now() - interval '1 hour'")
        connection.execute("UPDATE deliveries SET state = 'dead' WHERE diasourceid = 2")
    with evidence(Database(database_url), ObjectStore("memory://")) as found:
        verdicts = {name: judged(Settings(), name, found) for name in (BACKLOG, DEAD)}
    assert not verdicts[BACKLOG].passed
    assert "delivery backlog" in verdicts[BACKLOG].next_step
    assert verdicts[DEAD].description.startswith("1 dead letters")

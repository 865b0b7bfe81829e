"""Which nights the nightly job looks at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from dagster import RunRequest, SkipReason, build_schedule_context, define_asset_job

from broker_assets.build import build_defs
from broker_assets.database.tables import ingest_batch, ingest_batch_night
from broker_assets.resources.database import Database
from broker_assets.sensors.schedules import build_move_months, touched_nights
from broker_assets.settings import Settings

pytestmark = pytest.mark.database

NOW = datetime(2024, 5, 10, 20, 30, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def batch(database: Database, finished_at: datetime, **nights: int) -> None:
    """A batch that stored so many alerts of `n0501`, …"""
    with database.engine.begin() as connection:
        ingestid = connection.scalar(
            sa.insert(ingest_batch).returning(ingest_batch.c.ingestid),
            {
                "topic": "t",
                "kind": "stream",
                "code_version": "1",
                "started_at": finished_at,
                "finished_at": finished_at,
                "received": sum(nights.values()),
                "stored": sum(nights.values()),
            },
        )
        for key, stored in nights.items():
            night = date(2024, int(key[1:3]), int(key[3:5]))
            connection.execute(sa.insert(ingest_batch_night), {"ingestid": ingestid, "night": night, "stored": stored})


def test_nights_of_the_last_day(database: Database) -> None:
    batch(database, NOW - timedelta(hours=1), n0509=10, n0401=1)
    batch(database, NOW - timedelta(hours=30), n0508=10)
    assert touched_nights(database, NOW) == ["2024-04-01", "2024-05-09"]


def test_schedule_asks_for_one_run(database: Database) -> None:
    definitions = build_defs(settings=Settings(), resource_overrides={"database": database})
    schedule = definitions.resolve_schedule_def("nightly_checks")
    context = build_schedule_context(scheduled_execution_time=NOW, resources={"database": database})
    assert "no night has received alerts" in str(schedule.evaluate_tick(context).skip_message)
    batch(database, NOW - timedelta(hours=1), n0509=10)
    context = build_schedule_context(scheduled_execution_time=NOW, resources={"database": database})
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    (request,) = requests
    assert isinstance(request, RunRequest)
    assert request.run_config == {"ops": {"judge_nights": {"config": {"nights": ["2024-05-09"]}}}}


def test_months_leave_only_where_it_is_wanted() -> None:
    job = define_asset_job("moves")
    context = build_schedule_context(scheduled_execution_time=datetime(2026, 1, 1, 21, 30, tzinfo=UTC))
    assert isinstance(build_move_months(job, wanted=False)(context), SkipReason)
    request = build_move_months(job, wanted=True)(context)
    assert isinstance(request, RunRequest)
    assert request.run_key == "2026-01-01"

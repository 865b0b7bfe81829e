"""Schedules: the checks of nights that have ended, and the daily maintenance.

They run in the afternoon in Chile, after the last observatory's night has ended and before the next night begins.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from broker_assets.automation import BACKGROUND
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.database.tables import ingest_batch, ingest_batch_night
from broker_assets.partitions import known_nights
from broker_assets.resources.database import Database

CHECKED_NIGHTS = 100
"""Maximum number of nights checked per day: a replay of a survey touches hundreds, of which the busiest are checked."""

LOOK_BACK = timedelta(hours=26)
"""Slightly more than a day, so that no batch falls between two days."""


def build_nightly_checks(
    job: JobDefinition, configuration: Callable[[Sequence[str]], dict[str, Any]]
) -> ScheduleDefinition:
    """Every day, run all checks of the nights that received alerts since yesterday, in one run.

    `configuration` makes the run configuration of `job` from nights.
    """

    @schedule(
        name="nightly_checks",
        job=job,
        cron_schedule="30 20 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Runs all checks, including those too slow for drain runs, on the nights that received alerts.",
    )
    def nightly_checks(
        context: ScheduleEvaluationContext, database: ResourceParam[Database]
    ) -> RunRequest | SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        keys = touched_nights(database, now)
        if not keys:
            return SkipReason("no night has received alerts since yesterday")
        return RunRequest(run_key=f"{now:%Y-%m-%d}", run_config=configuration(keys), tags=BACKGROUND)

    return nightly_checks


def touched_nights(database: Database, now: datetime) -> list[str]:
    """Nights that received alerts from the stream in the last day, the busiest `CHECKED_NIGHTS` of them."""
    statement = (
        sa.select(ingest_batch_night.c.night)
        .join(ingest_batch, ingest_batch.c.ingestid == ingest_batch_night.c.ingestid)
        .where(ingest_batch.c.finished_at > now - LOOK_BACK)
        .group_by(ingest_batch_night.c.night)
        .order_by(sa.func.sum(ingest_batch_night.c.stored + ingest_batch_night.c.duplicate).desc())
        .limit(CHECKED_NIGHTS)
    )
    with database.engine.connect() as connection:
        return known_nights(night.isoformat() for (night,) in connection.execute(statement))[0]


def build_move_months(job: JobDefinition | UnresolvedAssetJobDefinition, *, wanted: bool) -> ScheduleDefinition:
    """Every day, move months that are old enough out of the database, if that is wanted."""

    @schedule(
        name="move_months",
        job=job,
        cron_schedule="30 21 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Moves months that are old enough out of the database, once they are proven equal in the cold "
        "store.",
    )
    def move_months(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        if not wanted:
            return SkipReason("months stay in the database: BROKER_COLD__DETACH is not set")
        return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", tags=BACKGROUND)

    return move_months


def build_daily_maintenance(job: JobDefinition | UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Every day, prune the event log."""
    return ScheduleDefinition(
        name="daily_maintenance",
        job=job,
        tags=BACKGROUND,
        cron_schedule="0 21 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Prunes Dagster's event log.",
    )

"""Schedules of telemetry: checks, publication, comparison of the archive's copies.

The times are those of the daily job that this platform replaces: publication with an updated table of requests at
05:00 UTC.
"""

from datetime import UTC, datetime

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.automation import BACKGROUND
from broker_assets.jobs.publication import MIRROR_OP, PUBLISH_OP
from broker_assets.monitoring.alerts import TROUBLE
from broker_assets.publication.days import due_days
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry

MIRROR_HOUR = 6
"""Hour (UTC) from which the intervals of comparisons are counted."""
REQUESTS_HOUR = 5
"""Hour (UTC) at which the table of requests is updated before files are delivered."""


def build_publish_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every hour, deliver due files, if any; once a day with an updated table of requests."""

    @schedule(
        name="publish_due",
        job=job,
        cron_schedule="10 * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Delivers product files that are due; at 05:00 UTC with an updated table of requests.",
    )
    def publish_due(
        context: ScheduleEvaluationContext, database: ResourceParam[Database], publisher: ResourceParam[Publisher]
    ) -> RunRequest | SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        if not publisher.settings.targets:
            return SkipReason("no target is configured")
        if _active(context, job.name):
            return SkipReason("a run is in progress")
        requests = now.hour == REQUESTS_HOUR
        try:
            with database.transaction() as connection:
                days = due_days(connection, publisher.settings, now, publisher.folder)
        except (*DATABASE_AWAY, OSError) as error:
            return SkipReason(f"{TROUBLE}due files cannot be determined: {error}")
        if not days and not publisher.mirrors and not requests:
            return SkipReason("nothing is due")
        return RunRequest(
            run_key=f"{now:%Y-%m-%dT%H}",
            run_config={"ops": {PUBLISH_OP: {"config": {"update_requests": requests}}}},
            tags={"broker/days": str(len(days)), **BACKGROUND},
        )

    return publish_due


def build_mirror_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every hour, compare those copies of the local archive that are due with all of it."""

    @schedule(
        name="mirrors_due",
        job=job,
        cron_schedule="30 * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Compares copies of the local archive with the whole archive, each at its interval.",
    )
    def mirrors_due(context: ScheduleEvaluationContext, publisher: ResourceParam[Publisher]) -> RunRequest | SkipReason:
        if not publisher.mirrors:
            return SkipReason("no copy of the archive is configured")
        now = context.scheduled_execution_time.astimezone(UTC)
        due = [target.name for target in publisher.mirrors if is_due(now, target.mirror_hours)]
        if not due:
            return SkipReason("no copy is due")
        if _active(context, job.name):
            return SkipReason("a run is in progress")
        config = {"ops": {MIRROR_OP: {"config": {"targets": due}}}}
        return RunRequest(run_key=f"{now:%Y-%m-%dT%H}", run_config=config, tags=BACKGROUND)

    return mirrors_due


def is_due(now: datetime, hours: int) -> bool:
    """Whether a task that recurs at this interval of hours is due in the hour of a time (UTC); a daily one is at 06:00.

    Examples
    --------
    >>> [hour for hour in range(24) if is_due(datetime(2026, 1, 1, hour, tzinfo=UTC), 6)]
    [0, 6, 12, 18]
    >>> [hour for hour in range(24) if is_due(datetime(2026, 1, 1, hour, tzinfo=UTC), 24)]
    [6]
    """
    return (int(now.timestamp() // 3600) - MIRROR_HOUR) % hours == 0


def build_telemetry_checks_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every hour, run all checks of telemetry, if there is telemetry."""

    @schedule(
        name="hourly_telemetry_checks",
        job=job,
        cron_schedule="40 * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Runs the checks of telemetry and publication: backlog, gaps, freshness, kernels, deliveries.",
    )
    def hourly_telemetry_checks(
        context: ScheduleEvaluationContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                row = connection.execute(
                    "SELECT EXISTS (SELECT 1 FROM telemetry_file) OR EXISTS (SELECT 1 FROM product_file)"
                ).fetchone()
        except DATABASE_AWAY as error:
            return SkipReason(f"the database cannot be read: {error}")
        if not telemetry.watched and not (row and row[0]):
            return SkipReason("there is no telemetry")
        return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H}", tags=BACKGROUND)

    return hourly_telemetry_checks


def _active(context: ScheduleEvaluationContext, job: str) -> bool:
    filters = RunsFilter(job_name=job, statuses=list(ACTIVE_RUNS))
    return bool(context.instance.get_run_records(filters, limit=1))

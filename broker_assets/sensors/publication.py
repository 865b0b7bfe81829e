"""Schedules of telemetry: checks, publication, copies of the archive.

The times are those of the daily job that this platform replaces: publication with an updated table of requests at
05:00 UTC.
"""

from datetime import UTC

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
from broker_assets.jobs.publication import PUBLISH_OP
from broker_assets.monitoring.alerts import TROUBLE
from broker_assets.publication.days import due_days
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry

REQUESTS_HOUR = 5
"""UTC; hour at which the table of requests is updated before files are delivered."""


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
    """Every day, compare each copy of the local archive with all of it."""

    @schedule(
        name="daily_mirrors",
        job=job,
        cron_schedule="30 6 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Compares copies of the local archive in other stores with the whole archive.",
    )
    def daily_mirrors(
        context: ScheduleEvaluationContext, publisher: ResourceParam[Publisher]
    ) -> RunRequest | SkipReason:
        if not publisher.mirrors:
            return SkipReason("no copy of the archive is configured")
        return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", tags=BACKGROUND)

    return daily_mirrors


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

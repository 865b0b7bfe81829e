"""What runs by the clock for telemetry: checks, publication, copies of the archive, and daily products.

The hours are those of the daily job that this platform takes the place of: publication with a fresh table of requests
at five in the morning, UTC.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg
from dagster import (
    AssetKey,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    schedule,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from broker_assets.assets.published_files import PUBLISH_OP
from broker_assets.assets.streams import ACTIVE_RUNS
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.ingest.daily_products import makeable
from broker_assets.ingest.publication_days import due_days
from broker_assets.ingest.telemetry_status import kernels_of
from broker_assets.partitions import known_days
from broker_assets.resources.database import Database, DatabaseNotConfiguredError
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry

REQUESTS_HOUR = 5
"""UTC; the hour at which the table of requests is brought up to date before files go out."""
DAILY_SECONDS = 600
"""How often missing daily products are looked for."""
MOST_RUNS = 20
"""Runs asked for in a tick; a year of days is worked off in some hours, and other runs are not kept waiting."""

TAG = "broker/daily"
AT_A_TIME = 500

_AWAY = (DatabaseUnavailableError, DatabaseNotConfiguredError, psycopg.Error)


def build_publish_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every hour, what is due, unless nothing is; once a day with a fresh table of requests."""

    @schedule(
        name="publish_due",
        job=job,
        cron_schedule="10 * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Delivers product files that are due; at five o'clock UTC with a fresh table of requests.",
    )
    def publish_due(
        context: ScheduleEvaluationContext, database: ResourceParam[Database], publisher: ResourceParam[Publisher]
    ) -> RunRequest | SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        if not publisher.settings.targets:
            return SkipReason("no target is configured")
        if _active(context, job.name):
            return SkipReason("a run is under way")
        requests = now.hour == REQUESTS_HOUR
        try:
            with database.transaction() as connection:
                days = due_days(connection, publisher.settings, now, publisher.folder)
        except (*_AWAY, OSError) as error:
            return SkipReason(f"what is due cannot be told: {error}")
        if not days and not publisher.mirrors and not requests:
            return SkipReason("nothing is due")
        return RunRequest(
            run_key=f"{now:%Y-%m-%dT%H}",
            run_config={"ops": {PUBLISH_OP: {"config": {"update_requests": requests}}}},
            tags={"broker/days": str(len(days))},
        )

    return publish_due


def build_mirror_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every day, each copy of our archive against all of it."""

    @schedule(
        name="daily_mirrors",
        job=job,
        cron_schedule="30 6 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Compares copies of our archive in other stores with all of it.",
    )
    def daily_mirrors(
        context: ScheduleEvaluationContext, publisher: ResourceParam[Publisher]
    ) -> RunRequest | SkipReason:
        if not publisher.mirrors:
            return SkipReason("no copy of the archive is configured")
        return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")

    return daily_mirrors


def build_telemetry_checks_schedule(job: JobDefinition) -> ScheduleDefinition:
    """Every hour, all checks of telemetry, where there is telemetry."""

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
        except _AWAY as error:
            return SkipReason(f"the database cannot be read: {error}")
        if not telemetry.watched and not (row and row[0]):
            return SkipReason("there is no telemetry")
        return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H}")

    return hourly_telemetry_checks


def build_daily_products(job: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """Asks for ancillary products and pictures of days that can be made and are not there; each state of a day once."""

    @sensor(
        name="daily_products",
        job=job,
        minimum_interval_seconds=DAILY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Makes ancillary products and light-curve pictures of days whose time has come; also missed ones.",
    )
    def daily_products(
        context: SensorEvaluationContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> list[RunRequest] | SkipReason:
        if not telemetry.configured:
            return SkipReason(f"telemetry is not configured: {', '.join(telemetry.missing)} are not set")
        kernels = kernels_of(telemetry.settings.kernels)
        try:
            with database.transaction() as connection:
                found = makeable(connection, datetime.now(UTC), kernels.flown_until)
        except _AWAY as error:
            return SkipReason(f"what is missing cannot be told: {error}")
        days = set(known_days({item.day for item in found})[0])
        keys = {f"{item.asset}/{item.day}/{item.state}": item for item in found if item.day in days}
        asked = _asked(context, list(keys))
        requests = [
            RunRequest(
                run_key=key,
                partition_key=item.day.isoformat(),
                asset_selection=[AssetKey(item.asset)],
                tags={TAG: key},
            )
            for key, item in keys.items()
            if key not in asked
        ]
        if not requests:
            return SkipReason(f"{len(keys)} products are missing and were asked for" if keys else "none is missing")
        return requests[:MOST_RUNS]

    return daily_products


def _asked(context: SensorEvaluationContext, keys: Sequence[str]) -> set[str]:
    """Which of these were asked for before: they must not take the places of others in a tick."""
    found: set[str] = set()
    for first in range(0, len(keys), AT_A_TIME):
        filters = RunsFilter(tags={TAG: list(keys[first : first + AT_A_TIME])})
        found |= {run.tags[TAG] for run in context.instance.get_runs(filters)}
    return found


def _active(context: ScheduleEvaluationContext, job: str) -> bool:
    filters = RunsFilter(job_name=job, statuses=list(ACTIVE_RUNS))
    return bool(context.instance.get_run_records(filters, limit=1))

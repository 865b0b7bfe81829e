"""Starts a run when SQL waits in the queue, several at once, and ends SQL that ignores being cancelled."""

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.automation import PROMPT
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.settings import Settings
from broker_assets.tom.queries.queue import is_waiting
from broker_assets.tom.queries.worker import end_overdue

INTERVAL_SECONDS = 10
"""As often as FASTDB examines its queue; each tick is a cost even when the platform is idle."""


def build_queries_sensor(settings: Settings, run: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="queries",
        job=run,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when SQL of users waits in the queue.",
    )
    def queries(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                ended = end_overdue(connection, settings)
                waiting = is_waiting(connection)
        except DATABASE_AWAY as error:
            return SkipReason(f"the queue cannot be read: {error}")
        if ended:
            context.log.warning(f"{ended} sessions of users' SQL were beyond their time and were ended")
        if not waiting:
            return SkipReason("no SQL waits")
        records = context.instance.get_run_records(RunsFilter(job_name=run.name), limit=50)
        active = [one for one in records if one.dagster_run.status in ACTIVE_RUNS]
        if len(active) >= settings.tom.queued_at_once:
            return SkipReason(f"{len(active)} runs are in progress")
        last = records[0].dagster_run.run_id if records else ""
        # If two ticks see the same runs, only one of them starts another run.
        return RunRequest(run_key=f"queries/{last}", tags=dict(PROMPT))

    return queries

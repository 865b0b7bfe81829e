"""Starts a run when batches were stored since the last run: their objects may not have a root object yet."""

from dagster import (
    DefaultSensorStatus,
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
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.resources.database import DATABASE_AWAY, Database

INTERVAL_SECONDS = 300
"""Time until a new object is in FASTDB's answers; each run costs some seconds of CPU time."""


def build_roots_sensor(job: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="roots",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run that assigns root objects to new objects after batches were stored.",
    )
    def roots(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                row = connection.execute(
                    "SELECT max(ingestid) FROM ingest_batch WHERE finished_at IS NOT NULL"
                ).fetchone()
        except DATABASE_AWAY as error:
            return SkipReason(f"batches cannot be read: {error}")
        newest = str(row[0]) if row is not None and row[0] is not None else ""
        if newest == (context.cursor or ""):
            return SkipReason("no batch was stored since")
        records = context.instance.get_run_records(RunsFilter(job_name=job.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        context.update_cursor(newest)
        return RunRequest(run_key=f"roots/{newest}", tags=dict(PROMPT))

    return roots

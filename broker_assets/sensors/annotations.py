"""Starts a run when annotations are waiting: on an annotator's topic, for an object that has arrived, or for filters.

The topics are read from the table of annotators at every tick.
"""

import hashlib

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
from broker_assets.automation import RECEPTION
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings
from broker_assets.stream.annotation_lag import look


def build_annotations_sensor(settings: Settings, read: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="annotations",
        job=read,
        minimum_interval_seconds=settings.annotations.look_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when annotations are waiting, or the filters that ask for them.",
    )
    def annotations(
        context: SensorEvaluationContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> RunRequest | SkipReason:
        records = context.instance.get_run_records(RunsFilter(job_name=read.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        try:
            with database.transaction() as connection:
                found = look(connection, settings, kafka.ends_at)
        except DATABASE_AWAY as error:
            return SkipReason(f"the annotators cannot be read: {error}")
        problems = "".join(f"; {name}: {problem}" for name, problem in sorted(found.problems.items()))
        if not found.work:
            return SkipReason(f"nothing waits on {len(found.lag)} topics of annotators{problems}")
        before = records[0].dagster_run.run_id if records else ""
        waits = (sorted(found.positions.items()), sorted(found.lag.items()), found.due, found.settled, before)
        key = hashlib.sha256(repr(waits).encode()).hexdigest()[:16]
        lag = sum(found.lag.values())
        return RunRequest(run_key=f"annotations/{key}", tags={"broker/lag": str(lag), **RECEPTION})

    return annotations

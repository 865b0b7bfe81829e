"""Reads notices of gravitational-wave events when some are waiting on their topic.

The notices become rows of `mma_areas` in a run of `read_notices`; the sensor `lists` detects new rows and has them
matched and written to files.
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

from broker_assets.accounting import ledger
from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.automation import RECEPTION
from broker_assets.jobs.notices import NOT_CONFIGURED
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.stream.messages import SourceError

INTERVAL_SECONDS = 30


def build_notices(name: str | None, read: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="notices",
        job=read,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when notices of gravitational-wave events are waiting.",
    )
    def notices(
        context: SensorEvaluationContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> RunRequest | SkipReason:
        if name is None:
            return SkipReason(NOT_CONFIGURED)
        try:
            with database.transaction() as connection:
                positions = ledger.positions(connection, name)
            lag = kafka.ends(name, positions).lag(positions)
        except DATABASE_AWAY as error:
            return SkipReason(f"the position cannot be read: {error}")
        except SourceError as error:
            return SkipReason(str(error))
        if not sum(lag.values()):
            return SkipReason("no notice is waiting")
        records = context.instance.get_run_records(RunsFilter(job_name=read.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        before = records[0].dagster_run.run_id if records else ""
        key = hashlib.sha256(repr((sorted(positions.items()), before)).encode()).hexdigest()[:16]
        return RunRequest(run_key=f"notices/{key}", tags={"broker/lag": str(sum(lag.values())), **RECEPTION})

    return notices

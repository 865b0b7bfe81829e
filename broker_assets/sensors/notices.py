"""Reads notices of events when some are waiting on their topics.

The notices become rows of `mma_areas` and cones of moving lists in a run of `read_notices`; the sensor `lists` detects
new rows and has them matched and written to files.
"""

import hashlib
from collections.abc import Sequence

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
from broker_assets.automation import RECEPTION, UNUSED_SECONDS
from broker_assets.jobs.notices import NOT_CONFIGURED
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.stream.messages import SourceError

INTERVAL_SECONDS = 30
SECONDS = 25.0
"""Approximate time in which all topics are examined: Dagster ends a tick after a minute."""


def build_notices(names: Sequence[str], read: JobDefinition) -> SensorDefinition:
    """The sensor: it examines the topics of these names and starts this job."""

    @sensor(
        name="notices",
        job=read,
        minimum_interval_seconds=INTERVAL_SECONDS if names else UNUSED_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when notices of events are waiting.",
    )
    def notices(
        context: SensorEvaluationContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> RunRequest | SkipReason:
        if not names:
            return SkipReason(NOT_CONFIGURED)
        lag, positions, failed = 0, [], []
        for name in names:
            try:
                with database.transaction() as connection:
                    known = ledger.positions(connection, name)
                ends = kafka.ends(name, known, timeout=min(5.0, SECONDS / len(names)))
                lag += sum(ends.lag(known).values())
            except DATABASE_AWAY as error:
                return SkipReason(f"the position cannot be read: {error}")
            except SourceError as error:
                failed.append(str(error))  # the other topics do not wait for this one
                continue
            positions.append((name, sorted(known.items())))
        if not lag:
            return SkipReason("; ".join(["no notice is waiting", *failed]))
        records = context.instance.get_run_records(RunsFilter(job_name=read.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        before = records[0].dagster_run.run_id if records else ""
        key = hashlib.sha256(repr((positions, before)).encode()).hexdigest()[:16]
        return RunRequest(run_key=f"notices/{key}", tags={"broker/lag": str(lag), **RECEPTION})

    return notices

"""Starts a run when messages of the survey's brokers are waiting."""

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
from broker_assets.automation import RECEPTION, UNUSED_SECONDS
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.pubsub import ender
from broker_assets.settings import Settings
from broker_assets.stream.broker_message_run import look


def build_broker_messages_sensor(settings: Settings, read: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""
    followed = any(broker.active for broker in settings.survey.brokers.values())

    @sensor(
        name="broker_messages",
        job=read,
        minimum_interval_seconds=settings.survey.look_seconds if followed else UNUSED_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when messages of brokers of the survey are waiting.",
    )
    def broker_messages(
        context: SensorEvaluationContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> RunRequest | SkipReason:
        if not followed:
            return SkipReason("the settings have no active brokers (survey.brokers)")
        records = context.instance.get_run_records(RunsFilter(job_name=read.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        try:
            with database.transaction() as connection:
                found = look(connection, settings, ender(kafka.ends_at), kafka.topics_at)
        except DATABASE_AWAY as error:
            return SkipReason(f"the positions cannot be read: {error}")
        lag = sum(found.lag.values())
        if not lag:
            problems = "".join(f"; {name}: {problem}" for name, problem in sorted(found.problems.items()))
            return SkipReason(f"nothing waits on {len(found.lag)} topics of brokers{problems}")
        before = records[0].dagster_run.run_id if records else ""
        waits = (sorted(found.positions.items()), sorted(found.lag.items()), before)
        key = hashlib.sha256(repr(waits).encode()).hexdigest()[:16]
        return RunRequest(run_key=f"brokers/{key}", tags={"broker/lag": str(lag), **RECEPTION})

    return broker_messages

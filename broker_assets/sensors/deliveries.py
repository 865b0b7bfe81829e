"""Starts a run of `deliver` when messages have been due for some seconds, so that no drain run is sending them."""

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.automation import RECEPTION
from broker_assets.delivery.backlog import is_due
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.run_history import requested

INTERVAL_SECONDS = 15
LEFT_SECONDS = 10.0
"""Messages that have been due for this long are not being sent by the run that queued them."""


def build_deliveries(deliver: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="deliveries",
        job=deliver,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when messages wait that no drain run is sending: digests, retries, annotations.",
    )
    def deliveries(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                due = is_due(connection, seconds=LEFT_SECONDS)
        except DATABASE_AWAY as error:
            return SkipReason(f"the outbox cannot be read: {error}")
        if not due:
            return SkipReason("nothing is due")
        asked = requested(context.instance, deliver.name, ["messages are due"], RECEPTION)
        return SkipReason(asked) if isinstance(asked, str) else asked

    return deliveries

"""Starts a run when requests of observations wait, or a facility is to be asked about them."""

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

from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.run_history import requested
from broker_assets.tom.observations.working import is_due

INTERVAL_SECONDS = 30


def build_observations_sensor(observe: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""

    @sensor(
        name="observations",
        job=observe,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a run when requests of observations wait, or facilities are to be asked about them.",
    )
    def observations(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                due = is_due(connection)
        except DATABASE_AWAY as error:
            return SkipReason(f"requests cannot be read: {error}")
        if not due:
            return SkipReason("no request is due")
        asked = requested(context.instance, observe.name, ["requests are due"])
        return SkipReason(asked) if isinstance(asked, str) else asked

    return observations

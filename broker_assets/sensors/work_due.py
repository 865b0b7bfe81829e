"""A sensor that starts a run of a job when rows of the database wait for it."""

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
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

from broker_assets.automation import BACKGROUND
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.run_history import requested


def build_work_due(
    name: str,
    job: JobDefinition,
    is_due: Callable[[psycopg.Connection[Any]], bool],
    *,
    what: str,
    seconds: int,
    description: str,
    priority: Mapping[str, str] = BACKGROUND,
) -> SensorDefinition:
    """The sensor.

    Parameters
    ----------
    name : str
        Its name.
    job : JobDefinition
        What it starts, one run at a time.
    is_due : callable
        Whether there is work, in a transaction.
    what : str
        Name of what waits, in the plural.
    seconds : int
        Seconds between two ticks.
    description : str
        Description that operators see.
    priority : mapping of str to str
        Tags of the runs.
    """

    @sensor(
        name=name,
        job=job,
        minimum_interval_seconds=seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description=description,
    )
    def look(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            with database.transaction() as connection:
                due = is_due(connection)
        except DATABASE_AWAY as error:
            return SkipReason(f"{what} cannot be read: {error}")
        if not due:
            return SkipReason(f"no {what} are due")
        asked = requested(context.instance, job.name, [f"{what} are due"], priority)
        return SkipReason(asked) if isinstance(asked, str) else asked

    return look

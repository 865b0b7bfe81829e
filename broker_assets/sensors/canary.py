"""Sends the canary: an alert of our own every few minutes (`broker_assets.stream.canary`)."""

from __future__ import annotations

import time

from dagster import (
    DefaultSensorStatus,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.database import migrations
from broker_assets.replay.producer import ReplayError
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.settings import Settings
from broker_assets.settings.stream import SecretFileError
from broker_assets.stream.canary import SCHEMA, ensure_sink, prune, send

INTERVAL_SECONDS = 30


def build_canary(settings: Settings) -> SensorDefinition:
    """The sensor; the settings must have a canary."""
    stream = settings.canary.stream
    if stream is None:
        raise ValueError("no canary is configured: set BROKER_CANARY__TOPIC")
    location = settings.location(stream)

    @sensor(
        name="canary",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Sends an alert of our own through the whole stream every {settings.canary.minutes:g} minutes.",
    )
    def canary(context: SensorEvaluationContext, database: ResourceParam[Database]) -> SkipReason:
        now = time.time()
        due = float(context.cursor or 0.0) + settings.canary.minutes * 60.0
        if now < due:
            return SkipReason(f"the next canary is due in {due - now:.0f} s")
        try:
            # A run must find its tables as the code expects them: at the first canary, and after a deployment.
            migrations.upgrade_schema(database.url, SCHEMA)
            with database.in_schema(SCHEMA).transaction() as connection:
                prune(connection)
                ensure_sink(connection, f"{location.topic}-delivered")
            send(location, now=now)
        except (*DATABASE_AWAY, ReplayError, SecretFileError) as error:
            return SkipReason(f"the canary could not be sent, the next tick tries again: {error}")
        context.update_cursor(str(now))
        return SkipReason("a canary was sent")

    return canary

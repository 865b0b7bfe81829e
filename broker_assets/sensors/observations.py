"""Starts a run when observation requests are waiting, or when a facility is to be asked about their state."""

from __future__ import annotations

from dagster import JobDefinition, SensorDefinition

from broker_assets.sensors.work_due import build_work_due
from broker_assets.tom.observations.working import is_due

INTERVAL_SECONDS = 30


def build_observations_sensor(observe: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""
    return build_work_due(
        "observations", observe, is_due, what="requests", seconds=INTERVAL_SECONDS,
        description="Starts a run when observation requests are waiting, or facilities are due to be asked about them.",
    )  # fmt: skip

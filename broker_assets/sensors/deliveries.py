"""Starts a run of `deliver` when messages have been due for some seconds, so that no drain run is sending them."""

from __future__ import annotations

from functools import partial

from dagster import JobDefinition, SensorDefinition

from broker_assets.automation import RECEPTION
from broker_assets.delivery.backlog import is_due
from broker_assets.sensors.work_due import build_work_due

INTERVAL_SECONDS = 15
LEFT_SECONDS = 10.0
"""Messages that have been due for this long are not being sent by the run that queued them."""


def build_deliveries(deliver: JobDefinition) -> SensorDefinition:
    """The sensor; it starts this job."""
    return build_work_due(
        "deliveries", deliver, partial(is_due, seconds=LEFT_SECONDS), what="messages", seconds=INTERVAL_SECONDS,
        description="Starts a run when messages wait that no drain run is sending: digests, retries, annotations.",
        priority=RECEPTION,
    )  # fmt: skip

"""Queued SQL of users: the run that works on it, and the sensor that starts it."""

from __future__ import annotations

from dagster import Definitions

from broker_assets.jobs.queries import build_run_queries
from broker_assets.sensors.queries import build_queries_sensor
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of queued SQL."""
    run = build_run_queries(settings)
    return Definitions(jobs=[run], sensors=[build_queries_sensor(settings, run)])

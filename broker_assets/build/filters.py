"""Filters: those that run, and the sensor that follows them. Their matches are facts of alerts (`build.alerts`)."""

from __future__ import annotations

from dagster import Definitions

from broker_assets.assets.filters import build_filters
from broker_assets.sensors.filters import build_filters_sensor
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of filters."""
    return Definitions(assets=[build_filters()], sensors=[build_filters_sensor(settings.filters)])

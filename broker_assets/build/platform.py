"""The platform itself: automation, alerts to operators, deployed code versions, the event log."""

from __future__ import annotations

from collections.abc import Mapping

from dagster import Definitions

from broker_assets.automation import automation_sensor
from broker_assets.jobs.maintenance import build_maintenance
from broker_assets.sensors.alerting import build_alerting
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.sensors.schedules import build_daily_maintenance


def definitions(code_versions: Mapping[str, str]) -> Definitions:
    """What serves all subjects; `code_versions` are those of their assets."""
    maintenance = build_maintenance()
    return Definitions(
        jobs=[maintenance],
        sensors=[automation_sensor, build_alerting(), build_code_versions(code_versions)],
        schedules=[build_daily_maintenance(maintenance)],
    )

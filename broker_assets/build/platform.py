"""The platform itself: automation, alerts to operators, deployed code versions, the event log."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dagster import Definitions

from broker_assets.automation import build_automation_sensor
from broker_assets.checks.up_to_date import build_up_to_date
from broker_assets.jobs.maintenance import build_maintenance
from broker_assets.sensors.alerting import build_alerting
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.sensors.schedules import build_daily_maintenance
from broker_assets.settings import Settings


def definitions(settings: Settings, code_versions: Mapping[str, str], automated: Collection[str]) -> Definitions:
    """Definitions for all subjects; `code_versions` are those of their assets, `automated` the assets with a
    condition."""
    maintenance = build_maintenance(settings)
    return Definitions(
        asset_checks=[build_up_to_date(code_versions)],
        jobs=[maintenance],
        sensors=[
            build_automation_sensor(settings.automation.follow_seconds),
            build_alerting(settings),
            build_code_versions(code_versions, automated),
        ],
        schedules=[build_daily_maintenance(maintenance)],
    )

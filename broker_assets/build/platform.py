"""The platform itself: automation, alerts to operators, deployed code versions, the event log."""

from __future__ import annotations

from collections.abc import Mapping

from dagster import AssetSelection, Definitions, define_asset_job

from broker_assets.assets.maintenance import build_maintenance_assets
from broker_assets.automation import automation_sensor
from broker_assets.sensors.alerting import build_alerting
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.sensors.schedules import build_daily_maintenance


def definitions(code_versions: Mapping[str, str]) -> Definitions:
    """What serves all subjects; `code_versions` are those of their assets."""
    maintenance = define_asset_job("maintenance", selection=AssetSelection.assets("pruned_event_log"))
    return Definitions(
        assets=build_maintenance_assets(),
        jobs=[maintenance],
        sensors=[automation_sensor, build_alerting(), build_code_versions(code_versions)],
        schedules=[build_daily_maintenance(maintenance)],
    )

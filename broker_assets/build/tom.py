"""The target and observation manager: the simulated survey by night, and the schedule that sends it."""

from __future__ import annotations

from dagster import AssetSelection, Definitions, define_asset_job

from broker_assets.assets.tom.survey import NIGHTLY, build_survey_assets
from broker_assets.sensors.survey import build_survey_schedule
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """What there is of the target and observation manager."""
    night = define_asset_job(
        "survey_night",
        selection=AssetSelection.assets(*NIGHTLY),
        description="A night of the simulated survey: sent, archived, answered, read, imported, rolled up.",
    )
    return Definitions(
        assets=build_survey_assets(settings), jobs=[night], schedules=[build_survey_schedule(settings, night)]
    )

"""The target and observation manager: the simulated survey by night, and requests of observations."""

from __future__ import annotations

from dagster import AssetSelection, DefaultScheduleStatus, Definitions, ScheduleDefinition, define_asset_job

from broker_assets.assets.tom.comparison import COMPARED, build_comparison_assets
from broker_assets.assets.tom.night_plans import PLANS, build_night_plans
from broker_assets.assets.tom.roots import ROOTS, build_root_assets
from broker_assets.assets.tom.survey import NIGHTLY, build_survey_assets
from broker_assets.assets.tom.taxonomies import taxonomy_specs
from broker_assets.automation import BACKGROUND
from broker_assets.jobs.broker_messages import build_read_broker_messages
from broker_assets.jobs.observations import build_observe
from broker_assets.sensors.broker_messages import build_broker_messages_sensor
from broker_assets.sensors.night_plans import build_night_plans_schedule
from broker_assets.sensors.observations import build_observations_sensor
from broker_assets.sensors.roots import build_roots_sensor
from broker_assets.sensors.survey import build_survey_schedule
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of the target and observation manager."""
    night = define_asset_job(
        "survey_night",
        selection=AssetSelection.assets(*NIGHTLY),
        description="A night of the simulated survey: sent, archived, answered, read, imported, rolled up.",
    )
    comparison = define_asset_job(
        "compare_brokers",
        selection=AssetSelection.assets(*COMPARED),
        description="Compares what brokers say with the truth of the simulated survey, and with what others say.",
    )
    daily = ScheduleDefinition(
        name="compare_brokers",
        job=comparison,
        cron_schedule="30 14 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        tags=BACKGROUND,
        description="Every day: scorecards, objects of which sources contradict each other, views of ELAsTiCC.",
    )
    place = define_asset_job(
        "place_objects",
        selection=AssetSelection.assets(ROOTS),
        description="Assigns a root object to every object that has none.",
    )
    plan = define_asset_job(
        "plan_nights",
        selection=AssetSelection.assets(PLANS),
        description="Plans wanted spectra for a night at each observatory, and keeps the plans.",
    )
    read = build_read_broker_messages(settings)
    observe = build_observe(settings)
    return Definitions(
        assets=[
            *taxonomy_specs(),
            *build_survey_assets(settings),
            *build_comparison_assets(),
            *build_root_assets(),
            build_night_plans(settings),
        ],
        jobs=[night, comparison, place, plan, read, observe],
        sensors=[
            build_broker_messages_sensor(settings, read),
            build_roots_sensor(place),
            build_observations_sensor(observe),
        ],
        schedules=[build_survey_schedule(settings, night), build_night_plans_schedule(plan), daily],
    )

"""The instrument: what arrives, what it is processed with, the products, and the checks of all of it."""

from __future__ import annotations

from dagster import AssetSelection, Definitions, define_asset_job

from broker_assets.assets.labels import INGEST
from broker_assets.assets.telemetry.folders import folder_key, input_files, telemetry_folders
from broker_assets.assets.telemetry.inputs import build_telemetry_inputs
from broker_assets.assets.telemetry.products import build_telemetry_products
from broker_assets.assets.telemetry.register import telemetry_register
from broker_assets.automation import UNUSED_SECONDS
from broker_assets.checks.telemetry import build_telemetry_checks
from broker_assets.jobs.check_telemetry import build_check_telemetry
from broker_assets.jobs.fetch_inputs import build_fetch_inputs
from broker_assets.jobs.receive_telemetry import build_ingest_telemetry
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.publication import build_telemetry_checks_schedule
from broker_assets.sensors.telemetry.arrivals import build_telemetry_files
from broker_assets.sensors.telemetry.due_products import build_daily_products
from broker_assets.sensors.telemetry.fetching import build_fetching_sensors
from broker_assets.sensors.telemetry.inputs import build_telemetry_inputs_sensor
from broker_assets.settings import Settings
from broker_assets.telemetry.archive.due_products import ANCILLARY, PICTURES


def definitions(settings: Settings) -> Definitions:
    """Definitions of telemetry."""
    seconds = settings.automation.follow_seconds
    # Without folders to watch there is nothing to start.
    fetching = [build_fetch_inputs()] if settings.telemetry.sources else []
    receiving = [build_ingest_telemetry(settings.telemetry)] if Telemetry.of(settings).watched else []
    writer = INGEST if receiving else None
    check_telemetry = build_check_telemetry(settings)
    daily_products = define_asset_job(
        "daily_products",
        selection=AssetSelection.assets(PICTURES, ANCILLARY),
        description="Makes light-curve plots and ancillary files of days that are due.",
    )
    return Definitions(
        assets=[
            *telemetry_folders(settings.telemetry),
            *input_files(settings.telemetry),
            telemetry_register((folder_key(url) for url in settings.telemetry.incoming), writer),
            build_telemetry_inputs(),
            *build_telemetry_products(settings.telemetry.versions, writer),
        ],
        asset_checks=build_telemetry_checks(settings),
        jobs=[*receiving, *fetching, check_telemetry, daily_products],
        sensors=[
            *(build_telemetry_files(receive, seconds) for receive in receiving),
            *(sensor for fetch in fetching for sensor in build_fetching_sensors(settings, fetch)),
            build_telemetry_inputs_sensor(seconds if Telemetry.of(settings).configured else UNUSED_SECONDS),
            build_daily_products(daily_products),
        ],
        schedules=[build_telemetry_checks_schedule(check_telemetry)],
    )

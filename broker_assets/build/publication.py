"""Delivery of product files to archives, and copies of our own."""

from __future__ import annotations

from dagster import Definitions

from broker_assets.assets.published_files import build_published_files
from broker_assets.checks.publication import build_receipts_check, day_evaluations, day_result
from broker_assets.jobs.publication import build_mirror_job, build_publish_job
from broker_assets.sensors.publication import build_mirror_schedule, build_publish_schedule
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of publication."""
    publish, mirror = build_publish_job(day_evaluations), build_mirror_job()
    archives = [target for target in settings.publication.targets if not target.mirror]
    return Definitions(
        assets=[build_published_files(day_result, promised=bool(archives))],
        asset_checks=[build_receipts_check()],
        jobs=[publish, mirror],
        schedules=[build_publish_schedule(publish), build_mirror_schedule(mirror)],
    )

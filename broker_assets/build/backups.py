"""Backups: what is saved every night and every week, the checks that restore it, and the schedules."""

from __future__ import annotations

from dagster import AssetSelection, DefaultScheduleStatus, Definitions, ScheduleDefinition, define_asset_job

from broker_assets.assets.backups import DATABASE, OBJECTS, USERS, build_backup_assets
from broker_assets.automation import BACKGROUND
from broker_assets.checks.backups import build_backup_checks
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of backups."""
    nightly = define_asset_job(
        "nightly_backup",
        selection=AssetSelection.assets(USERS, OBJECTS),
        description="Saves users' data and the list of the object store, and restores the former to check it.",
    )
    weekly = define_asset_job(
        "weekly_backup",
        selection=AssetSelection.assets(DATABASE),
        description="Saves the whole database server, and restores it to check it.",
    )
    return Definitions(
        assets=build_backup_assets(settings),
        asset_checks=build_backup_checks(settings),
        jobs=[nightly, weekly],
        schedules=[
            ScheduleDefinition(
                name="nightly_backup",
                job=nightly,
                cron_schedule="30 21 * * *",
                execution_timezone="UTC",
                default_status=DefaultScheduleStatus.RUNNING,
                tags=BACKGROUND,
                description="Every day, in the afternoon in Chile: users' data and the list of the object store.",
            ),
            ScheduleDefinition(
                name="weekly_backup",
                job=weekly,
                cron_schedule="0 19 * * 0",
                execution_timezone="UTC",
                default_status=DefaultScheduleStatus.RUNNING,
                tags=BACKGROUND,
                description="Every Sunday, before the checks of the night: the whole database server.",
            ),
        ],
    )

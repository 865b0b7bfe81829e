"""The schedule that plans nights: every day, the night that begins."""

import datetime

from dagster import DefaultScheduleStatus, RunRequest, ScheduleDefinition, ScheduleEvaluationContext, schedule

from broker_assets.automation import BACKGROUND
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition


def build_night_plans_schedule(job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """The schedule; it starts this job."""

    @schedule(
        name="plan_nights",
        job=job,
        # The night of the date has just become a partition; all its evenings are still to come, South Africa's first
        # and Australia's last.
        cron_schedule="5 16 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Every day: wanted spectra, planned for the coming night at each observatory.",
    )
    def plan_nights(context: ScheduleEvaluationContext) -> RunRequest:
        now: datetime.datetime = context.scheduled_execution_time.astimezone(datetime.UTC)
        night = now.date().isoformat()
        return RunRequest(partition_key=night, run_key=night, tags=BACKGROUND)

    return plan_nights

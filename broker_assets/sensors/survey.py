"""The schedule that sends nights of the simulated survey and reads its brokers; it starts no run unless it is set."""

from dagster import (
    DefaultScheduleStatus,
    ResourceParam,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from broker_assets.assets.reporter import Reporter
from broker_assets.assets.tom.survey import simulation_entry
from broker_assets.automation import BACKGROUND
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.partitions import simulated_nights
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.settings import Settings
from broker_assets.tom.survey.night_contents import nights_to_send


def build_survey_schedule(settings: Settings, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Every day, the next nights of the simulation that were not sent: one run for each."""

    @schedule(
        name="survey_night",
        job=job,
        cron_schedule="0 12 * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Sends the next nights of the simulated survey, reads what brokers say, and imports it. The "
        "setting survey.nights_a_day (default: 0) is the number of nights. Reports the files of simulations.",
    )
    def survey_night(
        context: ScheduleEvaluationContext, database: ResourceParam[Database]
    ) -> list[RunRequest] | SkipReason:
        if settings.survey.simulations:
            reporter = Reporter(context.instance, database, context.log)
            try:
                reporter.send(reporter.report([simulation_entry(settings)]))
            except DATABASE_AWAY as error:
                return SkipReason(f"the database is unavailable: {error}")
        if not settings.survey.nights_a_day:
            return SkipReason("the setting survey.nights_a_day says how many nights are sent each day; it is 0")
        try:
            with database.transaction() as connection:
                evenings = nights_to_send(connection, settings.survey.nights_a_day)
        except DATABASE_AWAY as error:
            return SkipReason(f"the survey cannot be read: {error}")
        if not evenings:
            return SkipReason("every alert of the survey was sent")
        keys = [evening.isoformat() for evening in evenings]
        context.instance.add_dynamic_partitions(str(simulated_nights.name), keys)
        return [RunRequest(partition_key=key, run_key=f"{key}", tags=BACKGROUND) for key in keys]

    return survey_night

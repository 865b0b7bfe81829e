"""Records which dust maps and classifiers the deployed settings name, and which taxonomies are in force, without a run.

Facts that were made with another one are stale from then on, whether or not alerts arrive. Drain runs make the same
record.
"""

from dagster import DefaultSensorStatus, ResourceParam, SensorDefinition, SensorEvaluationContext, SkipReason, sensor
from dagster import SensorResult as Result

from broker_assets.assets.alerts.reports import input_entries
from broker_assets.assets.reporter import Reporter
from broker_assets.assets.tom.taxonomies import taxonomy_entries
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.stream.enrichment import EnrichmentPlan

INTERVAL_SECONDS = 60


def build_fact_inputs(plan: EnrichmentPlan) -> SensorDefinition:
    """The sensor; the plan is that of the deployed settings."""

    @sensor(
        name="fact_inputs",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Records what facts are made from besides alerts: the dust map, active classifiers, taxonomies.",
    )
    def fact_inputs(context: SensorEvaluationContext, database: ResourceParam[Database]) -> Result | SkipReason:
        try:
            with database.transaction() as connection:
                taxonomies = taxonomy_entries(connection)
            entries = [*input_entries(plan), *taxonomies]
            events = list(Reporter(context.instance, database, context.log).report(entries))
        except DATABASE_AWAY as error:
            return SkipReason(f"versions cannot be recorded, the next tick tries again: {error}")
        if not events:
            return SkipReason(f"{len(entries)} versions are recorded")
        return Result(asset_events=events)

    return fact_inputs

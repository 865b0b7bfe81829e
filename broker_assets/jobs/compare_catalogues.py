"""The job that marks the facts of past alerts that a changed catalogue or changed rules affect."""

from collections.abc import Sequence

from dagster import JobDefinition, OpExecutionContext, ResourceParam, in_process_executor, job, op

from broker_assets.context.comparison import compare
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.database.engine import connect
from broker_assets.resources.database import Database


def build_compare_catalogues(in_force: CataloguesInForce, readers: Sequence[str]) -> JobDefinition:
    """Build the job; `readers` are the assets of facts that are derived from associations."""

    @op
    def mark_stale_facts(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        with connect(database.url, application="broker-assets catalogues", autocommit=True) as connection:
            found = compare(connection, in_force, readers=readers)
        what = ", ".join(found.changed) or "nothing"
        context.log.info(
            f"{what} changed: {found.marked:,} facts and {found.nights:,} nights of facts are marked as stale"
        )

    @job(
        name="compare_catalogues",
        executor_def=in_process_executor,
        description="Marks the facts of past alerts that a changed catalogue or changed rules concern, and no others.",
    )
    def compare_catalogues() -> None:
        mark_stale_facts()

    return compare_catalogues

"""Records which code versions are deployed, as soon as the code location has started.

`broker-assets status` and `provenance.versions.stale` compare what exists with the table `code`. A deployment becomes
visible there by the first tick after the new code server has started, which is when the daemon has found it. A tick
compares and writes only what differs, so that nothing must be remembered: a database that was away, restored or
emptied has the deployed versions again one tick later.

A thread in `build_defs` would be earlier by a few seconds and run in every run worker, test and command that loads
definitions; a sensor runs in the code server alone, and its failures are in Dagster's pages.
"""

from collections.abc import Mapping

from dagster import DefaultSensorStatus, ResourceParam, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from broker_assets.provenance import versions
from broker_assets.resources.database import DATABASE_AWAY, Database

INTERVAL_SECONDS = 30
SHOWN_ASSETS = 20
"""Names in the reason of a tick, at most."""


def build_code_versions(code_versions: Mapping[str, str]) -> SensorDefinition:
    """The sensor; `code_versions` are those of all assets of the code location."""

    @sensor(
        name="code_versions",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Records the deployed code versions, by which `broker-assets status` finds what is stale.",
    )
    def deployed(context: SensorEvaluationContext, database: ResourceParam[Database]) -> SkipReason:
        try:
            with database.transaction() as connection:
                changed = versions.deploy(connection, code_versions)
        except DATABASE_AWAY as error:
            return SkipReason(f"code versions cannot be recorded, the next tick tries again: {error}")
        if not changed:
            return SkipReason(f"{len(code_versions)} code versions are recorded")
        context.log.info(f"code versions recorded: {', '.join(changed)}")
        more = f" and {len(changed) - SHOWN_ASSETS} more" if len(changed) > SHOWN_ASSETS else ""
        return SkipReason(f"recorded new code versions of {', '.join(changed[:SHOWN_ASSETS])}{more}")

    return deployed

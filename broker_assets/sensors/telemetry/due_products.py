"""Asks for ancillary products and pictures of days whose time has come; also for those that were missed.

Automation follows what changes. That a day has grown old is no change, and a run that was lost is none either: so
products that could be there and are not are looked for here, each state of a day once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import (
    AssetKey,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.monitoring.telemetry.facts import kernels_of
from broker_assets.partitions import known_days
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.due_products import makeable

DAILY_SECONDS = 600
"""How often missing daily products are looked for."""
MOST_RUNS = 20
"""Runs asked for in a tick; a year of days is worked off in some hours, and other runs are not kept waiting."""
TAG = "broker/daily"
AT_A_TIME = 500


def build_daily_products(job: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """Asks for ancillary products and pictures of days that can be made and are not there; each state of a day once."""

    @sensor(
        name="daily_products",
        job=job,
        minimum_interval_seconds=DAILY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Makes ancillary products and light-curve pictures of days whose time has come; also missed ones.",
    )
    def daily_products(
        context: SensorEvaluationContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> list[RunRequest] | SkipReason:
        if not telemetry.configured:
            return SkipReason(f"telemetry is not configured: {', '.join(telemetry.missing)} are not set")
        kernels = kernels_of(telemetry.settings.kernels)
        try:
            with database.transaction() as connection:
                found = makeable(connection, datetime.now(UTC), kernels.flown_until)
        except DATABASE_AWAY as error:
            return SkipReason(f"what is missing cannot be told: {error}")
        days = set(known_days({item.day for item in found})[0])
        keys = {f"{item.asset}/{item.day}/{item.state}": item for item in found if item.day in days}
        asked = _asked(context, list(keys))
        requests = [
            RunRequest(
                run_key=key,
                partition_key=item.day.isoformat(),
                asset_selection=[AssetKey(item.asset)],
                tags={TAG: key},
            )
            for key, item in keys.items()
            if key not in asked
        ]
        if not requests:
            return SkipReason(f"{len(keys)} products are missing and were asked for" if keys else "none is missing")
        return requests[:MOST_RUNS]

    return daily_products


def _asked(context: SensorEvaluationContext, keys: Sequence[str]) -> set[str]:
    """Which of these were asked for before: they must not take the places of others in a tick."""
    found: set[str] = set()
    for first in range(0, len(keys), AT_A_TIME):
        filters = RunsFilter(tags={TAG: list(keys[first : first + AT_A_TIME])})
        found |= {run.tags[TAG] for run in context.instance.get_runs(filters)}
    return found

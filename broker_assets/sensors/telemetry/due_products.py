"""Requests ancillary products and plots of days that are due, including those that were missed.

Automation follows changes. The passing of time is not a change, nor is a lost run: therefore this sensor looks for
products that could exist but do not, once for each state of a day.
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

from broker_assets.automation import BACKGROUND
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.monitoring.telemetry.facts import kernels_of
from broker_assets.partitions import known_days
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.due_products import makeable

DAILY_SECONDS = 600
"""Interval between two searches for missing daily products."""
MOST_RUNS = 20
"""Runs requested per tick; a year of days is done within a few hours, and other runs need not wait."""
TAG = "broker/daily"
AT_A_TIME = 500


def build_daily_products(job: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """Requests ancillary products and plots that can be made but do not exist, once for each state of a day."""

    @sensor(
        name="daily_products",
        job=job,
        minimum_interval_seconds=DAILY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Requests ancillary products and light-curve plots of days that are due, including missed ones.",
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
            return SkipReason(f"missing products cannot be determined: {error}")
        days = set(known_days({item.day for item in found})[0])
        keys = {f"{item.asset}/{item.day}/{item.state}": item for item in found if item.day in days}
        asked = _asked(context, list(keys))
        requests = [
            RunRequest(
                run_key=key,
                partition_key=item.day.isoformat(),
                asset_selection=[AssetKey(item.asset)],
                tags={TAG: key, **BACKGROUND},
            )
            for key, item in keys.items()
            if key not in asked
        ]
        if not requests:
            return SkipReason(f"{len(keys)} missing products were requested already" if keys else "none is missing")
        return requests[:MOST_RUNS]

    return daily_products


def _asked(context: SensorEvaluationContext, keys: Sequence[str]) -> set[str]:
    """Return the keys that were requested before; they must not displace others in a tick."""
    found: set[str] = set()
    for first in range(0, len(keys), AT_A_TIME):
        filters = RunsFilter(tags={TAG: list(keys[first : first + AT_A_TIME])})
        found |= {run.tags[TAG] for run in context.instance.get_runs(filters)}
    return found

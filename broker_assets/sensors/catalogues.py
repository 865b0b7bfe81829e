"""Follows the loaded catalogues and the rules: changes are observed, and past alerts are compared with them.

A tick reads one small file for each catalogue and compares its version with provenance. Where a catalogue or the rules
differ from those that past alerts were compared with, a run of `compare_catalogues` marks the facts that are stale.
"""

from logging import Logger
from pathlib import Path

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.alerts.catalogues import entry
from broker_assets.automation import PROMPT
from broker_assets.context.comparison import pending
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import CATALOGUES
from broker_assets.context.store import CatalogueStore
from broker_assets.partitions import catalogues as partitions
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.observed_partitions import follow_partitions
from broker_assets.sensors.run_history import requested

INTERVAL_SECONDS = 30


def observe_catalogues(instance: DagsterInstance, database: Database, log: Logger, folder: Path) -> int:
    """Observe catalogues that are new or changed, forget those that are gone, and return the number of both."""
    store = CatalogueStore(folder)
    present = {stored.name: stored.version for stored in store.list()}
    return follow_partitions(instance, database, log, CATALOGUES, partitions, present, lambda name: entry(store, name))


def build_catalogues_sensor(folder: Path, in_force: CataloguesInForce, compare: JobDefinition) -> SensorDefinition:
    """The sensor; `folder` has the catalogues, and `compare` is the job that compares past alerts with them."""

    @sensor(
        name="catalogues",
        job=compare,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Observes catalogues that were loaded, changed or removed, and starts comparing past alerts with "
        "them.",
    )
    def catalogues(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            observed = observe_catalogues(context.instance, database, context.log, folder)
            with database.transaction() as connection:
                changed = pending(connection, in_force)
        except DATABASE_AWAY as error:
            return SkipReason(f"versions cannot be recorded, the next tick tries again: {error}")
        if not changed:
            return SkipReason(f"{observed} catalogues are new, changed or gone")
        asked = requested(context.instance, compare.name, [", ".join(changed)], PROMPT)
        return asked if isinstance(asked, RunRequest) else SkipReason(asked)

    return catalogues

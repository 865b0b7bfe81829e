"""Maintains filters: records which are running, pauses those that should not continue, and warns before they expire.

What is to be done is derived from the tables at every tick, so nothing is lost when a tick fails; there is no cursor.
"""

import time
from logging import Logger
from typing import Final

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.filters import active_versions, entry
from broker_assets.assets.reporter import Entry
from broker_assets.database.engine import connect
from broker_assets.delivery.owners import notify
from broker_assets.filters.expiry import Expiries, warn_and_expire
from broker_assets.filters.matching import FILTERS
from broker_assets.filters.pausing import Paused, pause_failing
from broker_assets.partitions import filters
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.observed_partitions import follow_partitions
from broker_assets.settings.filters import FilterSettings

EXPIRY_SECONDS: Final = 3600.0
"""How often expiries are checked."""


def look_after(database: Database, settings: FilterSettings, *, expiries: bool) -> tuple[list[Paused], Expiries]:
    """Pause filters that should not continue, and those that have expired if `expiries`; owners are notified."""
    with connect(database.url, application="broker-assets filters", autocommit=True) as connection:
        paused = pause_failing(connection, settings, notify)
        over = Expiries([], [])
        if expiries:
            over = warn_and_expire(connection, warn_days=settings.warn_days, notify=notify)
    return paused, over


def observe_filters(instance: DagsterInstance, database: Database, log: Logger) -> int:
    """Observe filters that are new or changed, forget those that are gone, and return the number of both together."""
    with database.transaction() as connection:
        present = active_versions(connection)

    def reported(key: str) -> Entry:
        with database.transaction() as connection:
            return entry(connection, key)

    return follow_partitions(instance, database, log, FILTERS, filters, present, reported)


def build_filters_sensor(settings: FilterSettings) -> SensorDefinition:
    """The sensor; it starts no run."""
    looked = [-EXPIRY_SECONDS]

    @sensor(
        name="filters",
        minimum_interval_seconds=settings.pause_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Observes the filters that run, pauses those that fail or flood, and warns before they expire.",
    )
    def follow(context: SensorEvaluationContext, database: ResourceParam[Database]) -> SkipReason:
        expiries = time.monotonic() - looked[0] >= EXPIRY_SECONDS
        try:
            paused, over = look_after(database, settings, expiries=expiries)
            observed = observe_filters(context.instance, database, context.log)
        except DATABASE_AWAY as error:
            return SkipReason(f"filters cannot be looked after, the next tick tries again: {error}")
        if expiries:
            looked[0] = time.monotonic()
        for item in paused:
            # Without names: every account may read Dagster.
            context.log.warning(f"filter {item.filterid} is paused: {item.reason}")
        for gone in over.expired:
            context.log.info(f"{gone.kind} {gone.identifier} has expired")
        said = f"{len(paused)} paused, {len(over.expired)} expired, {observed} new, changed or gone"
        return SkipReason(said if paused or over.expired or observed else "nothing has changed")

    return follow

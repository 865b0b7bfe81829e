"""Watches the inputs of telemetry products: kernels, configuration, requests, plans, databases.

A tick compares names, sizes and times of the files. When they have changed and then stayed the same for a tick, so that
no delivery is incomplete, it observes them (`input_files/…`), compares their content for each day that has packets with
the recorded version, and reports the days that differ to Dagster. `on_new_versions` then rebuilds these days, and no
others.

No run is started: a materialisation of an input is only a record, and several hundred take a few seconds.
"""

import hashlib
import time

from dagster import (
    DefaultSensorStatus,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from pydantic import BaseModel

from broker_assets.assets.reporter import Reporter
from broker_assets.assets.telemetry.folders import input_files_entries
from broker_assets.assets.telemetry.reports import input_days, look_at_inputs, report_inputs
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.day_products import changed_inputs

RECHECK_SECONDS = 3600.0
"""How often all days are compared even if no file has changed: an ingest run may have died before it reported one."""

MOST_DAYS = 300
"""Days reported per tick; the others follow in the next. An event takes 20 ms, and a sensor has a minute."""


class Cursor(BaseModel):
    """State of the sensor."""

    seen: str = ""
    """Digest of the files at the last tick."""
    done: str = ""
    """Digest of the files that have been reported completely."""
    checked: float = 0.0
    """When that was, seconds since 1970."""


def build_telemetry_inputs_sensor(seconds: int) -> SensorDefinition:
    """The sensor."""

    @sensor(
        name="telemetry_inputs",
        minimum_interval_seconds=seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Reports the days for which kernels, configuration, requests, plans or databases have changed.",
    )
    def telemetry_inputs(
        context: SensorEvaluationContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> SkipReason:
        if not telemetry.configured:
            return SkipReason(f"telemetry is not configured: {', '.join(telemetry.missing)} are not set")
        cursor = Cursor.model_validate_json(context.cursor or "{}")
        present = files_digest(telemetry)
        due = time.time() - cursor.checked > RECHECK_SECONDS
        if cursor.seen != present:
            context.update_cursor(cursor.model_copy(update={"seen": present}).model_dump_json())
            return SkipReason("files have changed; comparing them once they stay the same for a tick")
        if cursor.done == present and not due:
            return SkipReason("no file has changed")
        try:
            reported, left = report(context, database, telemetry)
        except (*DATABASE_AWAY, OSError, ValueError) as error:
            return SkipReason(f"inputs cannot be compared; the next tick will retry: {error}")
        if not left:
            context.update_cursor(Cursor(seen=present, done=present, checked=time.time()).model_dump_json())
        return SkipReason(f"{reported} versions were new" + (", more follow" if left else ""))

    return telemetry_inputs


def files_digest(telemetry: Telemetry) -> str:
    """Digest of the names, sizes and times of all files of the inputs."""
    return hashlib.sha256(repr(telemetry.file_versions()).encode()).hexdigest()[:32]


def report(context: SensorEvaluationContext, database: Database, telemetry: Telemetry) -> tuple[int, bool]:
    """Observe the files and report new versions; return the number of days reported, and whether more remain."""
    reporter = Reporter(context.instance, database, context.log)
    reporter.send(reporter.observe(input_files_entries(telemetry)))
    with telemetry.store() as store:
        found = look_at_inputs(telemetry, store, input_days(store))
    reported = reporter.send(report_inputs(reporter, database, found, most=MOST_DAYS))
    with database.transaction() as connection:
        return reported, bool(changed_inputs(connection, found))

"""Fetches due TNS files: hourly, daily, and the full file twice a month; also files missed during an outage.

The files are an external asset, `tns_bulk_files`. The run that fetches them observes it; a tick observes files that a
run applied before it died without reporting them.
"""

import time
from datetime import UTC, datetime

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.assets.reporter import Reporter
from broker_assets.assets.sky.tns import bulk_files_entries
from broker_assets.automation import BACKGROUND, UNUSED_SECONDS
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.tns import Tns
from broker_assets.tns.cadence import applied_files, due_files

INTERVAL_SECONDS = 60
RETRY_SECONDS = 900.0
"""Missing or failed files are requested again after this time, not at every tick: TNS limits requests."""


def build_tns_cadence(job: UnresolvedAssetJobDefinition, *, configured: bool = True) -> SensorDefinition:
    """The sensor; it starts this job. Where TNS is not `configured`, every tick is skipped with a message."""

    @sensor(
        name="tns_cadence",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS if configured else UNUSED_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Fetches the bulk files of the Transient Name Server that are due.",
    )
    def tns_cadence(
        context: SensorEvaluationContext, database: ResourceParam[Database], tns: ResourceParam[Tns]
    ) -> RunRequest | SkipReason:
        if tns.missing:
            return SkipReason(f"TNS is not configured: {', '.join(tns.missing)} not set")
        records = context.instance.get_run_records(RunsFilter(job_name=job.name), limit=1)
        if records and records[0].dagster_run.status in ACTIVE_RUNS:
            return SkipReason("a run is in progress")
        try:
            with database.transaction() as connection:
                due = due_files(applied_files(connection), datetime.now(UTC))
                files = bulk_files_entries(connection)
            reporter = Reporter(context.instance, database, context.log)
            reporter.send(reporter.observe(files))
        except DATABASE_AWAY as error:
            return SkipReason(f"the applied files cannot be determined: {error}")
        if not due:
            return SkipReason("no file is due")
        names = ", ".join(file.name for file in due)
        last = records[0] if records else None
        asked_before = last is not None and _files(_tag(names)) <= _files(last.dagster_run.tags.get("broker/tns", ""))
        if last is not None and (asked_before or last.dagster_run.status == DagsterRunStatus.FAILURE):
            ended = last.end_time or last.update_timestamp.timestamp()
            left = ended + RETRY_SECONDS - time.time()
            if left > 0:
                return SkipReason(f"{names}: already requested, again in {left:.0f} s")
        before = last.dagster_run.run_id if last is not None else ""
        return RunRequest(run_key=f"{_tag(names)}/{before}", tags={"broker/tns": _tag(names), **BACKGROUND})

    return tns_cadence


def _tag(names: str) -> str:
    """Encode names as the value of a tag."""
    parts = [name.removeprefix("tns_public_objects").removesuffix(".csv.zip").lstrip("_") for name in names.split(", ")]
    return ",".join(part or "full" for part in parts)


def _files(tag: str) -> set[str]:
    """The files named in the value of a tag."""
    return set(tag.split(","))

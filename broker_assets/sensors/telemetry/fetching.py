"""Watches the sources of telemetry's inputs: a sensor for each, which starts a run when the source has something new.

A tick lists the files of a folder or the tags of a repository, and copies nothing. A source that cannot be reached
raises an alert, and so does a run that fails; what was fetched before stays in force. Runs that fail are followed by
others after a pause that grows.
"""

import time

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.automation import BACKGROUND
from broker_assets.jobs.fetch_inputs import FETCH_OP
from broker_assets.monitoring.alerts import TROUBLE
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.run_history import run_history
from broker_assets.settings import Settings
from broker_assets.telemetry.fetching.sources import NamedSource

SOURCE_TAG = "broker/source"


def build_fetching_sensors(settings: Settings, job: JobDefinition) -> list[SensorDefinition]:
    """One sensor for each source of the settings."""
    return [_sensor(source, job) for source in Telemetry.of(settings).sources]


def _sensor(named: NamedSource, job: JobDefinition) -> SensorDefinition:
    @sensor(
        name=f"fetch_{named.name}",
        job=job,
        minimum_interval_seconds=round(60 * named.source.minutes),
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Starts a run when the source of {named.source.input} has something new; looks every "
        f"{named.source.minutes:g} minutes.",
    )
    def fetching(context: SensorEvaluationContext, telemetry: ResourceParam[Telemetry]) -> RunRequest | SkipReason:
        source = telemetry.source(named.name)
        if source.target is None:
            return SkipReason(f"{TROUBLE}the settings do not say where {source.source.input} goes")
        try:
            present = source.version()
        except OSError as error:
            return SkipReason(f"{TROUBLE}{source.name} cannot be looked at: {error}")
        history = run_history(context.instance, RunsFilter(job_name=job.name, tags={SOURCE_TAG: source.name}))
        if history.active:
            return SkipReason("a run is in progress")
        if present is not None and present == source.last.version and _is_complete(source):
            return SkipReason("nothing is new")
        left = history.pause(time.time())
        if left > 0:
            return SkipReason(f"{history.failures} consecutive runs failed, next run in {left:.0f} s")
        return RunRequest(
            run_key=f"{source.name}/{history.last}",
            run_config={"ops": {FETCH_OP: {"config": {"source": source.name}}}},
            tags={SOURCE_TAG: source.name, **BACKGROUND},
        )

    return fetching


def _is_complete(source: NamedSource) -> bool:
    """Whether everything that was fetched is still here."""
    return source.target is not None and source.target.exists()

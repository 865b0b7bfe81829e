"""Watches the folders in which telemetry arrives, and starts the run that receives complete files.

A tick lists the folders and records what it finds in the register; a file is complete when it does not change from
tick to tick. It keeps no state between ticks except the versions that it has recorded. An unavailable server or
database gives a skipped tick with a message, not an exception.

A lock in the database, not this sensor, ensures that two runs never receive at the same time.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

from dagster import (
    AssetObservation,
    DefaultSensorStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from broker_assets.assets.telemetry.folders import folder_key
from broker_assets.automation import RECEPTION
from broker_assets.monitoring.alerts import TROUBLE
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.run_history import requested
from broker_assets.telemetry.reception import register
from broker_assets.telemetry.reception.folders import FolderError, IncomingFolder, Listed, folders
from broker_assets.telemetry.reception.receiver import is_busy

LOOK_SECONDS = 40.0
"""Time limit for listing all folders in one tick, which has a minute."""
OBSERVATION_SECONDS = 60.0
"""Minimum interval between records of a folder that changes continuously; events are kept for weeks."""


def look(incoming: Sequence[IncomingFolder]) -> tuple[dict[str, list[Listed]], dict[str, str]]:
    """List all folders concurrently; return the contents of each, and why others cannot be listed."""

    def listed(folder: IncomingFolder) -> list[Listed]:
        with folder as opened:
            return opened.files()

    pool = ThreadPoolExecutor(max_workers=max(len(incoming), 1), thread_name_prefix="telemetry-folder")
    asked = {pool.submit(listed, folder): folder.url for folder in incoming}
    done, late = wait(asked, timeout=LOOK_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    found: dict[str, list[Listed]] = {}
    troubles = {asked[future]: f"{asked[future]} did not answer within {LOOK_SECONDS:.0f} s" for future in late}
    for future in done:
        try:
            found[asked[future]] = future.result()
        except FolderError as error:
            troubles[asked[future]] = str(error)
    return found, troubles


def observations(
    states: Mapping[str, register.FolderState], cursor: Mapping[str, tuple[str, float]], *, now: float
) -> Iterator[tuple[str, str, AssetObservation]]:
    """Yield folder, version and observation where the register changed, at most every `OBSERVATION_SECONDS`."""
    for url, state in states.items():
        known, seen = cursor.get(url, ("", 0.0))
        if state.version == known or now - seen < OBSERVATION_SECONDS:
            continue
        observation = AssetObservation(
            asset_key=folder_key(url),
            description=", ".join(f"{count} {name}" for name, count in state.states.items()) or "no file",
            metadata={
                "files": sum(state.states.values()),
                "waiting": sum(state.states.get(name, 0) for name in ("new", "staging", "staged", "failed")),
                "waiting bytes": state.waiting_bytes,
                "quarantined": state.states.get("quarantined", 0),
                "by state": dict(state.states),
            },
            tags={"dagster/data_version": state.version},
        )
        yield url, state.version, observation


def build_telemetry_files(job: JobDefinition, seconds: int) -> SensorDefinition:
    """The sensor; it starts this job, and ticks at this interval."""

    @sensor(
        name="telemetry_files",
        job=job,
        minimum_interval_seconds=seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Receives the telemetry files that have arrived and are complete.",
    )
    def telemetry_files(
        context: SensorEvaluationContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> SensorResult | SkipReason:
        if not telemetry.watched:
            return SkipReason("no telemetry folder is watched: BROKER_TELEMETRY__INCOMING is not set")
        now = datetime.now(UTC)
        incoming = folders(telemetry.settings)
        found, troubles = look(incoming)
        cursor: dict[str, tuple[str, float]] = {
            url: (version, seen) for url, (version, seen) in json.loads(context.cursor or "{}").items()
        }
        try:
            with database.transaction() as connection:
                for url, listed in found.items():
                    register.observe(connection, url, listed, now)
                waiting = register.waiting(connection, now, telemetry.settings.stable_seconds)
                states = {folder.url: register.folder_state(connection, folder.url) for folder in incoming}
                busy = is_busy(connection)
        except DATABASE_AWAY as error:
            return SkipReason(f"the register of telemetry files cannot be reached: {error}")
        for trouble in troubles.values():
            context.log.warning(trouble)
        seen = list(observations(states, cursor, now=time.time()))
        cursor |= {url: (version, time.time()) for url, version, _ in seen}
        why = reasons(waiting, databases_came=telemetry.noted_databases not in (None, telemetry.present_databases))

        def progressed(run_ids: Sequence[str]) -> set[str]:
            with database.transaction() as connection:
                return register.runs_with_files(connection, run_ids)

        asked: RunRequest | str = "files are being received"
        if why and not busy:
            asked = requested(context.instance, job.name, why, RECEPTION, progressed)
        requests = [asked] if isinstance(asked, RunRequest) else []
        said = [*troubles.values(), str(asked) if why else _idle(states)]
        trouble = TROUBLE if troubles else ""
        return SensorResult(
            run_requests=requests,
            asset_events=[observation for _, _, observation in seen],
            cursor=json.dumps({url: cursor[url] for url in states if url in cursor}),
            skip_reason=None if requests else SkipReason(trouble + "; ".join(said)),
        )

    return telemetry_files


def reasons(waiting: register.Waiting, *, databases_came: bool) -> list[str]:
    """Why a run is needed; empty if none is."""
    found = []
    if waiting.files:
        found.append(f"{waiting.files} files with {waiting.bytes / 1e6:.1f} MB are waiting")
    if waiting.unreported:
        found.append(f"{waiting.unreported} files were received but not reported")
    if databases_came:
        found.append("instrument databases have changed")
    return found


def _idle(states: Mapping[str, register.FolderState]) -> str:
    young = sum(state.states.get("new", 0) + state.states.get("failed", 0) for state in states.values())
    return f"{young} files are not yet complete or wait for a retry" if young else "no file is waiting"

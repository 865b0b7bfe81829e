"""The ingest run: receives files waiting in the watched folders, then builds level LB of the days they touch.

A run does not know its days beforehand, so it is a job and not a partitioned asset: its one op receives files
(`telemetry.reception.receiver`), builds level LB of each family and day whose packets have changed, and yields a
materialisation of each with its data version, preceded by those of the inputs whose content for these days is new.
Automation makes what follows. Exactly-once processing does not depend on this module: what was received by a run that
died before it could report is reported by the next, and a day that is built twice has the same content.
"""

import datetime
import time
from collections.abc import Iterable, Iterator, Sequence
from logging import Logger
from typing import Any

import psycopg
from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetMaterialization,
    Config,
    DagsterInstance,
    Failure,
    JobDefinition,
    MetadataValue,
    OpDefinition,
    OpExecutionContext,
    ResourceParam,
    TableRecord,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.telemetry.folders import INGEST_JOB, INGEST_OP
from broker_assets.assets.telemetry.products import described
from broker_assets.assets.telemetry.reports import look_at_inputs, report_inputs
from broker_assets.partitions import observation_days
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.archive.code_versions import code_version
from broker_assets.telemetry.archive.day_products import DayInputs, asset_name, make_day, record_files
from broker_assets.telemetry.archive.days import day_version
from broker_assets.telemetry.archive.input_versions import KERNELS
from broker_assets.telemetry.inputs.requests_update import update
from broker_assets.telemetry.packets.sources import FileLimits
from broker_assets.telemetry.reception import register
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.receiver import (
    FileOutcome,
    IngestBusy,
    Ingested,
    Limits,
    Receiver,
    decode_again,
    ingest_session,
)
from broker_assets.telemetry.traces import file_received, products_made

SHOWN_FILES = 100
"""Maximum number of files in the metadata, which are stored with every materialisation."""
TOLD_SECONDS = 10.0
"""How often progress is logged."""
GRACE_SECONDS = 3600.0
"""Additional time after receiving, for the files of the days; then Dagster ends the run."""
REFRESH_SECONDS = 3600.0
"""Minimum interval between two updates of the table of requests."""
REFRESH_LIMIT_SECONDS = 60.0
"""Time limit for the service of that table; telemetry does not wait for it."""


class IngestConfig(Config):
    """Limits of a run; files beyond them are left for the next run."""

    files: int = Field(default=Limits.files, ge=1, description="maximum number of files received")
    seconds: float = Field(default=Limits.seconds, gt=0, description="no file is started after this time")


def build_ingest_telemetry(settings: TelemetrySettings) -> JobDefinition:
    """The job that the sensor of the folders starts."""

    @job(
        name=INGEST_JOB,
        description="Receives waiting telemetry files, and builds level LB of the days they touch.",
        executor_def=in_process_executor,
        tags={MAX_RUNTIME_SECONDS_TAG: str(round(Limits.seconds + GRACE_SECONDS))},
    )
    def ingest_telemetry() -> None:
        _ingest_op(settings)()

    return ingest_telemetry


def _ingest_op(settings: TelemetrySettings) -> OpDefinition:
    @op(name=INGEST_OP, out={})
    def receive_telemetry(
        context: OpExecutionContext,
        config: IngestConfig,
        database: ResourceParam[Database],
        telemetry: ResourceParam[Telemetry],
    ) -> Iterator[AssetMaterialization]:
        try:
            with ingest_session(database.url) as session, telemetry.store() as store:
                refresh_requests(telemetry, context.log)
                look_for_databases(session, telemetry, store, context.log)
                done = Receiver(
                    session,
                    folders(settings),
                    telemetry.folders.incoming,
                    store,
                    telemetry.packet_inputs().databases,
                    stable_seconds=settings.stable_seconds,
                    run_id=context.run_id,
                    limits=Limits(config.files, config.seconds),
                    file_limits=FileLimits(**settings.input_limits.model_dump()),
                ).run(progress=_Progress(context.log))
                _tell(done, context.log)
                yield from file_days(
                    context.instance, session, database, telemetry, store, done, context.run_id, context.log
                )
        except IngestBusy as error:
            context.log.info(f"nothing done: {error}")
            return
        if done.stopped:
            raise Failure(f"ended early: {done.stopped}; files received so far are recorded, the rest are waiting")

    return receive_telemetry


def file_days(
    instance: DagsterInstance,
    session: psycopg.Connection[Any],
    database: Database,
    telemetry: Telemetry,
    store: PacketStore,
    done: Ingested,
    run_id: str,
    log: Logger,
) -> Iterator[AssetMaterialization]:
    """Build level LB of every day touched by files not yet reported, and report it; consume the iterator completely.

    The order is: files, Dagster, provenance, register. If a run dies in between, some days are reported to Dagster
    twice, but none is missed.
    """
    files, days = register.unreported(session)
    if not files:
        return
    reporter = Reporter(instance, database, log, run_id=run_id)
    touched = {day.isoformat(): day for of_family in days.values() for day in of_family}
    partitions = {touched[key] for key in reporter.known(touched, observation_days)}
    inputs: dict[datetime.date, dict[str, str]] = {}
    try:
        inputs |= look_at_inputs(telemetry, store, sorted(partitions))
        yield from report_inputs(reporter, database, inputs)
        inputs |= look_at_inputs(telemetry, store, sorted(set(touched.values()) - partitions))
    except (OSError, ValueError) as error:
        # A plan or kernels that cannot be read: the sensor of inputs reports them once they can.
        log.warning(f"the versions of inputs for these days cannot be determined at the moment: {error}")
    overrides = telemetry.settings.versions
    archive = telemetry.archive(store, inputs=telemetry.packet_inputs())
    said = received_metadata(done)
    for family, of_family in sorted(days.items()):
        asset, code = asset_name("LB", family), code_version("LB", family, overrides)
        for made in changed_days(session, store, family, sorted(of_family), code):
            began = time.time()
            outcome = archive.build_day("LB", family, made.day)
            for problem in outcome.problems:
                log.warning(f"{problem.what}: {problem.reason}")
            with database.transaction() as connection:
                record_files(
                    connection,
                    outcome,
                    {made.day: inputs.get(made.day, {})},
                    archive=archive.folder,
                    overrides=overrides,
                    run_id=run_id,
                )
            products_made(outcome, began, run_id=run_id)
            if made.day not in partitions:
                # As on other days, L1 waits for kernels that cover the time; they never cover a clock that was not set.
                levels = ("L0", "L1") if KERNELS in inputs.get(made.day, {}) else ("L0",)
                make_what_follows(session, reporter, telemetry, store, levels, family, made.day, run_id, log)
            artefact = versions.Artefact(
                asset=asset, partition=made.day.isoformat(), data_version=made.packets, code_version=code
            )
            entry = Entry(
                artefact,
                description=f"{len(outcome.written)} files written, {len(outcome.unchanged)} unchanged",
                metadata={**described(outcome, archive.folder), **said},
            )
            yield from reporter.report([entry], partitions=observation_days)
            log.info(f"{asset} {made.day}: {len(outcome.written)} files written, {len(outcome.unchanged)} unchanged")
    register.set_reported(session, files, datetime.datetime.now(datetime.UTC))


def make_what_follows(
    session: psycopg.Connection[Any],
    reporter: Reporter,
    telemetry: Telemetry,
    store: PacketStore,
    levels: Sequence[str],
    family: str,
    day: datetime.date,
    run_id: str,
    log: Logger,
) -> None:
    """Build and record the higher levels of a day that is not a partition: automation will not request them."""
    try:
        archive = telemetry.archive(store)
        for level in levels:
            made = make_day(session, archive, asset_name(level, family), day, run_id=run_id)
            for problem in made.outcome.problems:
                log.warning(f"{problem.what}: {problem.reason}")
            reporter.send(reporter.report([Entry(made.artefact)], partitions=observation_days))
    except (OSError, ValueError) as error:
        log.warning(f"{family} of {day}, which is not a partition, has level LB only: {error}")


def changed_days(
    session: psycopg.Connection[Any],
    store: PacketStore,
    family: str,
    days: Sequence[datetime.date],
    code: str,
) -> Iterator[DayInputs]:
    """Yield the days whose packets differ from those of the last materialisation, or that other code made."""
    keys = [day.isoformat() for day in days]
    rows = session.execute(
        'SELECT "partition", data_version, code_version FROM artefact WHERE asset = %s AND "partition" = ANY(%s)',
        (asset_name("LB", family), keys),
    )
    known = {row[0]: row[1:] for row in rows}
    for day in days:
        version = day_version(store, family, day)
        if version and known.get(day.isoformat()) != (version, code):
            yield DayInputs(day, version, {})


def received_metadata(done: Ingested) -> dict[str, Any]:
    """Metadata of a run, added to every materialisation that it reports."""
    if not done.files:
        return {"note": "received by an earlier run that ended before it could report"}
    table = [
        TableRecord(
            {
                "file": outcome.file.name,
                "state": outcome.state,
                "packets": outcome.packets,
                "new": outcome.new,
                "bad": outcome.bad,
                "bytes": outcome.file.size,
                "reason": outcome.reason,
            }
        )
        for outcome in done.files[:SHOWN_FILES]
    ]
    return {
        "files received": done.count("processed"),
        "files in quarantine": done.count("quarantined"),
        "packets received": done.packets,
        "packets new": done.new,
        "packets bad": done.bad,
        "seconds receiving": round(done.seconds, 3),
        "received": MetadataValue.table(table),
    }


def look_for_databases(session: psycopg.Connection[Any], telemetry: Telemetry, store: PacketStore, log: Logger) -> None:
    """When instrument databases have arrived, decode packets that none of the earlier ones could."""
    present = telemetry.present_databases
    if telemetry.noted_databases == present:
        return
    used = decode_again(session, store, telemetry.packet_inputs().databases)
    if used:
        log.info(f"{used} packets that could not be decoded before have been decoded")
    telemetry.note_databases(present)


def refresh_requests(telemetry: Telemetry, log: Logger) -> None:
    """Update the table of science requests, at most once an hour and for a limited time.

    A failure is only logged: requests that are missing from the table will be known at the next update, and their
    products are rebuilt then.
    """
    settings = telemetry.settings
    if settings.requests is None or settings.requests_url is None:
        return
    mark = telemetry.folders.root / "requests-refreshed"
    if mark.is_file() and time.time() - mark.stat().st_mtime < REFRESH_SECONDS:
        return
    try:
        rows = update(settings.requests, settings.requests_url, seconds=REFRESH_LIMIT_SECONDS)
    except (OSError, ValueError) as error:
        log.warning(f"the table of requests could not be updated: {error}")
        return
    log.info(f"table of requests: {rows} rows")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


class _Progress:
    """Logs at intervals what has been received."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._told = time.monotonic()
        self._files = self._packets = 0

    def __call__(self, outcome: FileOutcome) -> None:
        file_received(outcome)
        self._files += 1
        self._packets += outcome.packets
        if time.monotonic() - self._told >= TOLD_SECONDS:
            self._told = time.monotonic()
            self._log.info(f"{self._files} files, {self._packets} packets; last {outcome.file.name}: {outcome.state}")


def _tell(done: Ingested, log: Logger) -> None:
    log.info(
        f"{done.count('processed')} files received in {done.seconds:.1f} s: {done.packets} packets, {done.new} new, "
        f"{done.bad} bad"
    )
    for trouble in done.troubles.values():
        log.warning(trouble)
    for outcome in _others(done.files):
        log.warning(f"{outcome.file.url}: {outcome.state}, {outcome.reason}")


def _others(files: Iterable[FileOutcome]) -> list[FileOutcome]:
    return [outcome for outcome in files if outcome.state != "processed"][:SHOWN_FILES]

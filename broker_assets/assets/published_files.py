"""What archives have of each observation day.

Publication comes into being in two ways with equal result: the job `publish_products`, which the schedule starts for
all days with due files and which tells Dagster of each day that it touched, and an operator's materialisation of a day.
Both use `broker_assets.publication`; the data version of a day is the hash of its receipts.
"""

import datetime
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    DagsterEventType,
    DagsterInstance,
    DataVersion,
    Failure,
    JobDefinition,
    MaterializeResult,
    MetadataValue,
    OpExecutionContext,
    PreviewWarning,
    ResourceParam,
    TableRecord,
    asset,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.database.engine import connect
from broker_assets.partitions import known_days, observation_days
from broker_assets.provenance import versions
from broker_assets.publication.days import (
    DayState,
    candidates,
    days_answered_since,
    days_delivered_since,
    due_days,
    states,
    unmirrored,
)
from broker_assets.publication.mirror import MirrorReport, sync
from broker_assets.publication.report import Report
from broker_assets.publication.run import publish
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher
from broker_assets.telemetry.archive.days import FAMILIES

ASSET = "published_files"
PUBLISH_OP = "publish_due_files"
MIRROR_OP = "copy_archive"
OWNERS = ["team:broker"]
CODE_VERSION = "1"
SHOWN_RECEIPTS = 50
"""Receipts in the metadata, at most: they are stored with every materialisation."""
ANSWERED = datetime.timedelta(days=2)
"""Days of files that operators have answered to are judged again for so long: a run comes at least once a day."""
UPSTREAM = (
    *(f"l{level}_{family}" for level in (0, 1) for family in FAMILIES),
    *(f"l2_{family}" for family in ("quicklook", "calibration", "auxiliary")),
)
"""Assets that the files come from; packets as received (LB) stay at home."""
CHECK = "not_worse_than_published"
CHECK_TEXT = (
    "No file of the day is held back: nothing changed under a delivered name, and no new version has fewer rows, more "
    "NaN or less time than the delivered one, unless an operator agreed."
)

DayChecks = Callable[[DagsterInstance, Mapping[datetime.date, DayState]], Iterable[AssetCheckEvaluation]]
"""Evaluates the checks of some days; given by `broker_assets.build`, since checks know the assets."""
DayVerdict = Callable[[DayState], AssetCheckResult]
"""The verdict of the check on a day."""


@dataclass
class Deliveries:
    """What a run did."""

    reports: list[Report] = field(default_factory=list)
    """One a target with rules of its own."""
    mirrored: list[MirrorReport] = field(default_factory=list)
    """One a copy of our archive."""

    @property
    def failures(self) -> dict[str, str]:
        """Why targets were not served to the end."""
        found = {report.target: report.failure for report in self.reports}
        found |= {report.target: report.failure for report in self.mirrored}
        return {target: failure for target, failure in found.items() if failure is not None}

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Files that this run decided on or copied, by target and outcome."""
        found = {report.target: dict(report.counts) for report in self.reports}
        return found | {report.target: {"copied": len(report.copied)} for report in self.mirrored}


class PublishConfig(Config):
    """What a run of the publisher does besides."""

    update_requests: bool = Field(default=False, description="bring the table of science requests up to date first")


def deliver(database: Database, publisher: Publisher, days: Collection[datetime.date], run_id: str) -> Deliveries:
    """Deliver what is due of some days to every target, each file at once recorded; a target that is away hinders none.

    Raises
    ------
    OSError
        If the blacklist cannot be read: without it nothing is delivered.
    """
    done = Deliveries()
    with database.transaction() as connection:
        files = candidates(connection, publisher.folder, days)
    if not files:
        return done
    reason, refresh = publisher.reason(), publisher.refresh()
    for settings in publisher.archives:
        rules = publisher.rules(settings)
        with connect(database.url, autocommit=True) as connection, publisher.open(settings) as target:
            done.reports.append(
                publish(
                    connection,
                    files,
                    target,
                    rules,
                    run_id=run_id,
                    reason=reason,
                    refresh=refresh,
                    conflicts=publisher.conflicts(settings),
                )
            )
    return done


def copy_archive(database: Database, publisher: Publisher, run_id: str, *, whole: bool) -> list[MirrorReport]:
    """Bring the copies of our archive up to date: files that are new since, or all that differ."""
    reports = []
    for settings in publisher.mirrors:
        files = None
        if not whole:
            with database.transaction() as connection:
                paths = unmirrored(connection, settings.name)
            files = [path for path in (publisher.folder / name for name in paths) if path.is_file()]
            if not files:
                continue
        with connect(database.url, autocommit=True) as connection, publisher.open(settings) as target:
            reports.append(sync(connection, publisher.folder, target, files=files, run_id=run_id))
    return reports


def build_published_files(verdict: DayVerdict, upstream: Sequence[str] = UPSTREAM) -> AssetsDefinition:
    """The asset; `upstream` are the assets that its files come from."""
    with warnings.catch_warnings():
        # Checks by partition are new in Dagster 1.13; without them one bad day would hide all others.
        warnings.simplefilter("ignore", PreviewWarning)
        check = AssetCheckSpec(
            CHECK, asset=ASSET, description=CHECK_TEXT, blocking=True, partitions_def=observation_days
        )

    @asset(
        name=ASSET,
        partitions_def=observation_days,
        deps=list(upstream),
        group_name="publication",
        code_version=CODE_VERSION,
        kinds={"fits", "file"},
        owners=OWNERS,
        check_specs=[check],
        # Dagster gives all days of a run one data version; each day must have its own.
        backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=1),
        description="What archives have of the day. Materialising a day delivers what is due of it, and nothing twice.",
    )
    def published_files(
        context: AssetExecutionContext, database: ResourceParam[Database], publisher: ResourceParam[Publisher]
    ) -> MaterializeResult:  # type: ignore[type-arg] # with checks, Dagster knows only the bare class
        day = datetime.date.fromisoformat(context.partition_key)
        done = deliver(database, publisher, [day], context.run.run_id)
        with database.transaction() as connection:
            state = states(connection, [day])[day]
            versions.record(connection, [artefact(state, context.run.run_id)])
        if done.failures:
            raise Failure(told(done.failures), {"failures": done.failures})
        return MaterializeResult(
            data_version=DataVersion(state.data_version),
            metadata=day_metadata(state, done),
            check_results=[verdict(state)],
        )

    return published_files


def build_publish_job(checks: DayChecks, upstream: Sequence[str] = UPSTREAM) -> JobDefinition:
    """The job of the schedule: all that is due, to all targets, in one run."""

    @op(name=PUBLISH_OP, out={})
    def publish_due_files(
        context: OpExecutionContext,
        config: PublishConfig,
        database: ResourceParam[Database],
        publisher: ResourceParam[Publisher],
    ) -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
        if config.update_requests:
            updated = publisher.update_requests()
            context.log.info("no address of the table of requests is set" if updated is None else f"{updated} requests")
        with database.transaction() as connection:
            now = datetime.datetime.now(datetime.UTC)
            days = due_days(connection, publisher.settings, now, publisher.folder)
        done = deliver(database, publisher, days, context.run_id)
        done.mirrored += copy_archive(database, publisher, context.run_id, whole=False)
        context.log.info(f"{len(days)} days with due files: {done.counts or 'nothing to do'}")
        yield from report_days(context.instance, database, done, days, upstream, checks, context.run_id)
        if done.failures:
            raise Failure(told(done.failures), {"failures": done.failures})

    @job(
        name="publish_products",
        executor_def=in_process_executor,
        description="Delivers product files that are due to their archives, and copies our archive to other stores.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(6 * 3600)},
    )
    def publish_products() -> None:
        publish_due_files()

    return publish_products


def build_mirror_job() -> JobDefinition:
    """The job that compares the copies of our archive with all of it."""

    @op(name=MIRROR_OP)
    def copy_whole_archive(
        context: OpExecutionContext, database: ResourceParam[Database], publisher: ResourceParam[Publisher]
    ) -> None:
        done = Deliveries(mirrored=copy_archive(database, publisher, context.run_id, whole=True))
        for report in done.mirrored:
            context.log.info(
                f"{report.target}: {len(report.copied)} copied, {report.unchanged} the same, {len(report.surplus)} not "
                f"ours, {len(report.failed)} failed"
            )
        failed = {report.target: f"{len(report.failed)} files" for report in done.mirrored if report.failed}
        if done.failures or failed:
            raise Failure(told(failed | done.failures), {"failures": failed | done.failures})

    @job(
        name="sync_mirrors",
        executor_def=in_process_executor,
        description="Compares every copy of our archive with all of it, and copies what differs.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(12 * 3600)},
    )
    def sync_mirrors() -> None:
        copy_whole_archive()

    return sync_mirrors


def report_days(
    instance: DagsterInstance,
    database: Database,
    done: Deliveries,
    looked_at: Collection[datetime.date],
    upstream: Sequence[str],
    checks: DayChecks,
    run_id: str,
) -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
    """One materialisation per day of which targets have something else now, its check, then the same in provenance.

    Also of days that a run delivered and died before it could tell, or that were delivered on the command line.
    """
    with database.transaction() as connection:
        answered = days_answered_since(connection, datetime.datetime.now(datetime.UTC) - ANSWERED)
        days = {*looked_at, *answered, *days_delivered_since(connection, _last_told(connection))}
        found = states(connection, days)
        told_before = versions.data_versions(connection, ASSET, [day.isoformat() for day in found])
    decided = {outcome.path for report in done.reports for outcome in report.outcomes}
    changed = {
        day: state
        for day, state in found.items()
        if told_before.get(day.isoformat()) != state.data_version and (state.receipts or day.isoformat() in told_before)
    }
    known = known_days(changed)[0]
    keys = [day.isoformat() for day in known]
    made_of = {name: _newest(instance, name, keys) for name in upstream} if keys else {}
    for day in known:
        state = changed[day]
        tags = {"dagster/data_version": state.data_version, "dagster/code_version": CODE_VERSION}
        for name, newest in made_of.items():
            version, pointer = newest.get(day.isoformat(), ("", 0))
            if version:
                tags[f"dagster/input_data_version/{name}"] = version
                tags[f"dagster/input_event_pointer/{name}"] = str(pointer)
        yield AssetMaterialization(
            asset_key=ASSET,
            partition=day.isoformat(),
            description=f"{len(state.receipts)} files at their targets",
            metadata=day_metadata(state, done),
            tags=tags,
        )
    # What was held back changes no receipt, and is told all the same; so is what operators have settled since.
    judged = {
        day: state
        for day, state in found.items()
        if day in changed or day in answered or (decided and day in looked_at and state.counts)
    }
    if judged:
        yield from checks(instance, {day: judged[day] for day in known_days(judged)[0]})
    if changed:
        with database.transaction() as connection:
            versions.record(connection, [artefact(state, run_id) for state in changed.values()])


def _last_told(connection: psycopg.Connection[Any]) -> datetime.datetime | None:
    row = connection.execute("SELECT max(made_at) FROM artefact WHERE asset = %s", (ASSET,)).fetchone()
    return row[0] if row is not None else None


def _newest(instance: DagsterInstance, name: str, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Data version and storage id of the newest materialisation of an asset, by day."""
    latest = instance.get_latest_storage_id_by_partition(
        AssetKey(name), DagsterEventType.ASSET_MATERIALIZATION, set(keys)
    )
    if not latest:
        return {}
    records = instance.fetch_materializations(
        AssetRecordsFilter(AssetKey(name), storage_ids=list(latest.values())), limit=len(latest)
    ).records
    found = {}
    for record in records:
        event = record.asset_materialization
        if event is not None and event.partition is not None:
            version = (event.tags or {}).get("dagster/data_version", "")
            found[event.partition] = (version, record.storage_id)
    return found


def artefact(state: DayState, run_id: str) -> versions.Artefact:
    """The provenance entry of a day."""
    return versions.Artefact(
        asset=ASSET,
        partition=state.day.isoformat(),
        data_version=state.data_version,
        code_version=CODE_VERSION,
        run_id=run_id,
    )


def told(failures: Mapping[str, str]) -> str:
    """Failures of targets as one sentence; the same words each time, so that it is one alert."""
    return "; ".join(f"{target}: {reason}" for target, reason in sorted(failures.items()))


def day_metadata(state: DayState, done: Deliveries) -> dict[str, Any]:
    """What is said of a day: what each target has, what it has not, and the receipts."""
    said: dict[str, Any] = {"files at targets": len(state.receipts), "held back": len(state.held)}
    for target, counts in sorted(state.counts.items()):
        said[target] = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    said |= {f"{target} is away": reason for target, reason in done.failures.items()}
    waiting = Counter({report.target: len(report.waiting) for report in done.reports})
    said["too young"] = sum(waiting.values())
    if state.receipts:
        said["receipts"] = MetadataValue.table(
            [
                TableRecord(
                    {
                        "target": receipt.target,
                        "file": receipt.delivered,
                        "outcome": receipt.status,
                        "bytes": receipt.size,
                        "sha256": receipt.sha256,
                        "delivered": f"{receipt.delivered_at:%Y-%m-%d %H:%M:%S}" if receipt.delivered_at else "",
                    }
                )
                for receipt in state.receipts[:SHOWN_RECEIPTS]
            ]
        )
    if state.held:
        said["held"] = MetadataValue.table(
            [
                TableRecord({"target": held.target, "file": held.name, "reason": held.reason})
                for held in state.held[:SHOWN_RECEIPTS]
            ]
        )
    return said

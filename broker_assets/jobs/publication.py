"""Runs of the publisher: delivery of all due files to all targets, and full comparison of the archive's copies.

What each target has of a day is the asset `published_files`, whose functions deliver; this module has the jobs that
schedules start, and what these report about the days that they touched.
"""

import datetime
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    Config,
    DagsterInstance,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.assets.published_files import (
    ASSET,
    UPSTREAM,
    Deliveries,
    artefact,
    copy_archive,
    day_metadata,
    deliver,
    failures_text,
)
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.partitions import known_days, observation_days
from broker_assets.provenance import versions
from broker_assets.publication.days import (
    DayState,
    days_answered_since,
    days_delivered_since,
    due_days,
    states,
)
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher

PUBLISH_OP = "publish_due_files"
MIRROR_OP = "copy_archive"

ANSWERED = datetime.timedelta(days=2)
"""Days of files that an operator decided on are checked again for this long; there is at least one run per day."""

DayChecks = Callable[[DagsterInstance, Mapping[datetime.date, DayState]], Iterable[AssetCheckEvaluation]]
"""Evaluates the checks of some days; passed in by `broker_assets.build`, since checks import assets."""


class PublishConfig(Config):
    """Additional tasks of a publisher run."""

    update_requests: bool = Field(default=False, description="update the table of science requests first")


class MirrorConfig(Config):
    """Selects the copies that are compared."""

    targets: list[str] = Field(default=[], description="names of the copies; all unless given")


def build_publish_job(checks: DayChecks, upstream: Sequence[str] = UPSTREAM) -> JobDefinition:
    """The job of the schedule: all due files, to all targets, in one run."""

    @op(name=PUBLISH_OP, out={})
    def publish_due_files(
        context: OpExecutionContext,
        config: PublishConfig,
        database: ResourceParam[Database],
        publisher: ResourceParam[Publisher],
    ) -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
        if config.update_requests:
            updated = publisher.update_requests()
            context.log.info("no URL of the table of requests is set" if updated is None else f"{updated} requests")
        with database.transaction() as connection:
            now = datetime.datetime.now(datetime.UTC)
            days = due_days(connection, publisher.settings, now, publisher.folder)
        done = deliver(database, publisher, days, context.run_id)
        done.mirrored += copy_archive(database, publisher, context.run_id, whole=False)
        context.log.info(f"{len(days)} days with due files: {done.counts or 'nothing to do'}")
        reporter = Reporter(context.instance, database, context.log, run_id=context.run_id)
        yield from report_days(reporter, database, done, days, upstream, checks)
        if done.failures:
            raise Failure(failures_text(done.failures), {"failures": done.failures})

    @job(
        name="publish_products",
        executor_def=in_process_executor,
        description="Delivers due product files to their archives, and copies the local archive to other stores.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(6 * 3600)},
    )
    def publish_products() -> None:
        publish_due_files()

    return publish_products


def build_mirror_job() -> JobDefinition:
    """The job that compares every copy of the local archive with all of it."""

    @op(name=MIRROR_OP)
    def copy_whole_archive(
        context: OpExecutionContext,
        config: MirrorConfig,
        database: ResourceParam[Database],
        publisher: ResourceParam[Publisher],
    ) -> None:
        reports = copy_archive(database, publisher, context.run_id, whole=True, targets=config.targets)
        done = Deliveries(mirrored=reports)
        for report in done.mirrored:
            context.log.info(
                f"{report.target}: {len(report.copied)} copied, {report.unchanged} the same, {len(report.removed)} "
                f"removed, {len(report.surplus)} foreign, {len(report.failed)} failed"
            )
        failed = {report.target: f"{len(report.failed)} files" for report in done.mirrored if report.failed}
        if done.failures or failed:
            raise Failure(failures_text(failed | done.failures), {"failures": failed | done.failures})

    @job(
        name="sync_mirrors",
        executor_def=in_process_executor,
        description="Compares every copy of the local archive with the whole archive, and copies files that differ.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(12 * 3600)},
    )
    def sync_mirrors() -> None:
        copy_whole_archive()

    return sync_mirrors


def report_days(
    reporter: Reporter,
    database: Database,
    done: Deliveries,
    looked_at: Collection[datetime.date],
    upstream: Sequence[str],
    checks: DayChecks,
) -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
    """Yield a materialisation for each day whose files at a target have changed, then its check; consume all of it.

    This includes days whose files a run delivered before it died without reporting them, and those delivered on the
    command line.
    """
    with database.transaction() as connection:
        answered = days_answered_since(connection, datetime.datetime.now(datetime.UTC) - ANSWERED)
        days = {*looked_at, *answered, *days_delivered_since(connection, _last_reported(connection))}
        found = states(connection, days)
    made_of = {name: reporter.newest(AssetKey(name), {day.isoformat() for day in found}) for name in upstream}
    entries = [
        Entry(
            artefact(state),
            description=f"{len(state.receipts)} files at their targets",
            metadata=functools.partial(day_metadata, state, done),
            shown_inputs=tuple(
                versions.Input(asset=name, partition=day.isoformat(), data_version=newest[day.isoformat()])
                for name, newest in made_of.items()
                if day.isoformat() in newest
            ),
        )
        for day, state in found.items()
    ]
    changed = set()
    for event in reporter.report(entries, partitions=observation_days):
        changed.add(event.partition)
        yield event
    # What was held back changes no receipt, and is judged nevertheless; so is what operators have settled since.
    decided = any(report.outcomes for report in done.reports)
    judged = {
        day: state
        for day, state in found.items()
        if day.isoformat() in changed or day in answered or (decided and day in looked_at and state.counts)
    }
    if judged:
        yield from checks(reporter.instance, {day: judged[day] for day in known_days(judged)[0]})


def _last_reported(connection: psycopg.Connection[Any]) -> datetime.datetime | None:
    row = connection.execute("SELECT max(made_at) FROM artefact WHERE asset = %s", (ASSET,)).fetchone()
    return row[0] if row is not None else None

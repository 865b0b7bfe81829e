"""Definitions of checks, from which Dagster's asset checks are made.

A check examines several nights (or one topic) in a few set-based queries and returns a verdict for each. Both the asset
check that operators and schedules run and the evaluation inside a drain run are made from one `NightCheck`, so they
can never differ.
"""

import datetime
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import sqlalchemy as sa
from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    PreviewWarning,
    ResourceParam,
    asset_check,
)

from broker_assets.assets.alerts.streams import stream_key
from broker_assets.dagster_internals import AssetCheckEvaluationTargetMaterializationData
from broker_assets.monitoring.alerts import NEXT_STEP
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

LIVE_SECONDS = 30.0
"""A check inside a drain run that takes longer is left to the nightly job, since the stream waits for it."""


@dataclass(frozen=True)
class Verdict:
    """Result of a check."""

    passed: bool
    description: str
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    metadata: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    """What an operator should do if it has not passed."""

    @property
    def shown(self) -> dict[str, Any]:
        """Metadata of the result, including the next step, which alerts repeat."""
        step = {NEXT_STEP: self.next_step} if self.next_step and not self.passed else {}
        return {**step, **self.metadata}

    def result(self, check_name: str | None = None) -> AssetCheckResult:
        """Convert to the result of an asset check; with its name if the step has several."""
        return AssetCheckResult(
            check_name=check_name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.shown,
        )

    def evaluation(
        self,
        asset: AssetKey,
        name: str,
        partition: str | None = None,
        target: AssetCheckEvaluationTargetMaterializationData | None = None,
    ) -> AssetCheckEvaluation:
        """Convert to an event of a run, which it does not fail; with the materialisation that was checked."""
        return AssetCheckEvaluation(
            asset_key=asset,
            check_name=name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.shown,
            partition=partition,
            target_materialization_data=target,
            blocking=False,
        )


@dataclass(frozen=True)
class Evidence:
    """The data a check may examine."""

    connection: sa.Connection
    object_store: ObjectStore

    @property
    def driver(self) -> psycopg.Connection[Any]:
        """The underlying psycopg connection, in the same transaction."""
        driver = self.connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError(f"the database is accessed through {type(driver).__name__}, not psycopg 3")
        return driver


@dataclass(frozen=True)
class NightCheck:
    """A check of an asset by night."""

    asset: str
    name: str
    description: str
    judge: Callable[[Evidence, Sequence[str]], Mapping[str, Verdict]]
    """Returns verdicts by night; a night without a verdict has passed."""
    next_step: str
    """What an operator should do about a night that has not passed, unless the verdict says so itself."""
    blocking: bool = False
    """Whether a failure stops everything that would be built from the night."""
    live: bool = True
    """Whether drain runs evaluate it for the nights that they touch; otherwise the nightly job does."""


@dataclass(frozen=True)
class StreamCheck:
    """A check of the stream of a topic."""

    name: str
    description: str
    judge: Callable[[Evidence, str], Verdict]
    next_step: str
    """What an operator should do if it has not passed."""
    blocking: bool = False


def dates(keys: Iterable[str]) -> list[datetime.date]:
    """Partition keys as dates, ascending.

    Examples
    --------
    >>> dates(["2024-05-02", "2024-05-01"])
    [datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)]
    """
    return sorted(datetime.date.fromisoformat(key) for key in keys)


@contextmanager
def evidence(database: Database, object_store: ObjectStore, *, seconds: float | None = None) -> Iterator[Evidence]:
    """A read-only snapshot of the current state.

    Parameters
    ----------
    database, object_store : Database, ObjectStore
        Data to examine.
    seconds : float, optional
        Time limit per statement.
    """
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        if seconds is not None:
            connection.execute(sa.text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
        yield Evidence(connection, object_store)


def judge_nights(check: NightCheck, found: Evidence, keys: Sequence[str]) -> dict[str, Verdict]:
    """A verdict for each of some nights."""
    verdicts = check.judge(found, keys) if keys else {}
    passed = Verdict(True, "no violation found")
    return {key: advised(verdicts.get(key, passed), check.next_step) for key in keys}


def judge_stream(check: StreamCheck, found: Evidence, topic: str) -> Verdict:
    """A verdict on a stream."""
    return advised(check.judge(found, topic), check.next_step)


def advised(verdict: Verdict, next_step: str) -> Verdict:
    """Return the verdict with a next step, unless it has one of its own."""
    return verdict if verdict.next_step else replace(verdict, next_step=next_step)


def night_definition(check: NightCheck) -> AssetChecksDefinition:
    """The asset check run by operators and by the nightly job."""
    with warnings.catch_warnings():
        # Partitioned checks are new in Dagster 1.13; without them one bad night last year would hide all others.
        warnings.simplefilter("ignore", PreviewWarning)

        @asset_check(
            asset=AssetKey(check.asset),
            name=check.name,
            description=check.description,
            blocking=check.blocking,
            partitions_def=nights,
        )
        def checked(
            context: AssetCheckExecutionContext,
            database: ResourceParam[Database],
            object_store: ResourceParam[ObjectStore],
        ) -> AssetCheckResult:
            night = context.partition_key
            with evidence(database, object_store) as found:
                verdict = judge_nights(check, found, [night])[night]
            return verdict.result()

    return checked


def stream_definition(check: StreamCheck, topic: str) -> AssetChecksDefinition:
    """The asset check of one topic."""

    @asset_check(asset=stream_key(topic), name=check.name, description=check.description, blocking=check.blocking)
    def checked(database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]) -> AssetCheckResult:
        with evidence(database, object_store) as found:
            verdict = judge_stream(check, found, topic)
        return verdict.result()

    return checked


def live_evaluations(
    night_checks: Sequence[NightCheck],
    stream_checks: Sequence[StreamCheck],
    instance: DagsterInstance,
    database: Database,
    object_store: ObjectStore,
    topic: str,
    keys: Sequence[str],
) -> Iterator[AssetCheckEvaluation]:
    """Evaluate the live checks of a topic and of some nights, as a drain run does at its end.

    They are reported but not blocking here: a failed check stops what is built from the night (through the automation
    conditions, which use the definition of the check), but must not stop the stream.
    """
    for stream_check in stream_checks:
        with evidence(database, object_store, seconds=LIVE_SECONDS) as found:
            try:
                verdict = judge_stream(stream_check, found, topic)
            except _CANCELLED as error:
                verdict = _too_slow(stream_check.name, error)
        yield verdict.evaluation(stream_key(topic), stream_check.name)
    live = [check for check in night_checks if check.live]
    yield from night_evaluations(live, instance, database, object_store, keys, seconds=LIVE_SECONDS)


def night_evaluations(
    checks: Sequence[NightCheck],
    instance: DagsterInstance,
    database: Database,
    object_store: ObjectStore,
    keys: Sequence[str],
    *,
    seconds: float | None = None,
) -> Iterator[AssetCheckEvaluation]:
    """Evaluate checks of some nights; one that takes longer than `seconds` is a warning.

    Each evaluation names the materialisation that it checked. Otherwise Dagster attributes it to an older one, and the
    automation conditions wait for ever.
    """
    targets = {asset: newest_materialisations(instance, asset, keys) for asset in {check.asset for check in checks}}
    for check in checks:
        with evidence(database, object_store, seconds=seconds) as found:
            try:
                verdicts = judge_nights(check, found, keys)
            except _CANCELLED as error:
                verdicts = dict.fromkeys(keys, _too_slow(check.name, error))
        for night in keys:
            target = targets[check.asset].get(night)
            yield verdicts[night].evaluation(AssetKey(check.asset), check.name, night, target)


def newest_materialisations(
    instance: DagsterInstance, asset: str, keys: Sequence[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """The latest materialisation of each of some nights, in two queries."""
    if not keys:
        return {}
    latest = instance.get_latest_storage_id_by_partition(
        AssetKey(asset), DagsterEventType.ASSET_MATERIALIZATION, set(keys)
    )
    if not latest:
        return {}
    records = instance.fetch_materializations(
        AssetRecordsFilter(AssetKey(asset), storage_ids=list(latest.values())), limit=len(latest)
    ).records
    return {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition_key is not None
    }


_CANCELLED = (psycopg.errors.QueryCanceled, sa.exc.OperationalError)
"""Errors of psycopg and SQLAlchemy when a statement exceeds its time limit."""


def _too_slow(name: str, error: Exception) -> Verdict:
    cause = error.orig if isinstance(error, sa.exc.OperationalError) else error
    if not isinstance(cause, psycopg.errors.QueryCanceled):
        raise error
    text = f"{name} took more than {LIVE_SECONDS:.0f} s within the run; the nightly job will evaluate it"
    return Verdict(False, text, AssetCheckSeverity.WARN, next_step="wait for the run of check_nights, or start it")

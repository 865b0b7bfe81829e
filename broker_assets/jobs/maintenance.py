"""Housekeeping: Dagster's event log and runs, and records that are kept only for a while.

Dagster keeps every event and every run for ever and has no retention policy for them. What it needs to know the current
state (the latest event of each asset, partition and check, and the run that made it) always stays; mere history is
deleted once provenance has recorded it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dagster import (
    Config,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    RunsFilter,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.accounting import facts
from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.classifiers import state
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.context.pruning import prune_associations
from broker_assets.dagster_internals import AssetCheckExecutionsTable, SqlEventLogStorage, SqlEventLogStorageTable
from broker_assets.database.engine import connect
from broker_assets.delivery import outbox
from broker_assets.filters import runs
from broker_assets.lightcurves import object_features, object_statistics
from broker_assets.provenance import costs, versions
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.tom.queries import worker

CHUNK = 10_000
"""Events deleted in one transaction: a long one would block the daemon."""

ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)

RUNS = 500
"""Runs examined together."""

KEPT_COSTS = 400
"""Days for which the costs of runs are kept: a year can be compared with the one before."""

_OF_ASSETS = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION)


class PruneConfig(Config):
    """Retention of events."""

    run_days: int = Field(default=30, ge=1, description="days for which logs and steps of finished runs are kept")
    asset_days: int = Field(
        default=90, ge=1, description="days for which superseded asset and check events, and runs without any, are kept"
    )
    evaluation_days: int = Field(
        default=7, ge=1, description="days for which is shown why automation started something or did not"
    )


def prune(
    instance: DagsterInstance, *, run_days: int, asset_days: int, now: datetime, evaluation_days: int = 7
) -> dict[str, int]:
    """Delete events that are no longer needed.

    Parameters
    ----------
    instance : DagsterInstance
        Instance whose event log is pruned; a log that is not in an SQL database is left unchanged.
    run_days, asset_days, evaluation_days : int
        See `PruneConfig`.
    now : datetime
        Time from which days are counted back, with time zone.

    Returns
    -------
    dict
        Number of deleted rows, by kind.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return {}
    # Dagster keeps them for 30 days, which is 13 GB where files arrive every minute; only its web pages read them.
    evaluations = instance.schedule_storage
    if evaluations is not None and evaluations.supports_auto_materialize_asset_evaluations:
        evaluations.purge_asset_evaluations(before=(now - timedelta(days=evaluation_days)).timestamp())
    active = [record.run_id for record in instance.get_runs(RunsFilter(statuses=ACTIVE_RUNS))]
    return {
        "run events": _delete(storage, SqlEventLogStorageTable, _of_runs(now - timedelta(days=run_days), active)),
        "asset events": _delete(storage, SqlEventLogStorageTable, _superseded(now - timedelta(days=asset_days))),
        "check evaluations": _delete(
            storage, AssetCheckExecutionsTable, _old_evaluations(now - timedelta(days=asset_days))
        ),
        "check events": _delete(storage, SqlEventLogStorageTable, _evaluated(now - timedelta(days=asset_days))),
        # Last: their events are gone by now.
        "runs": _delete_runs(instance, storage, now - timedelta(days=max(run_days, asset_days))),
    }


def _before(column: sa.Column[Any], limit: datetime) -> sa.ColumnElement[bool]:
    # Dagster writes UTC into columns without time zone.
    return column < limit.astimezone(UTC).replace(tzinfo=None)


def _of_runs(limit: datetime, active: list[str]) -> sa.ColumnElement[bool]:
    """Logs, steps, engine events, plans: all events that name no asset, or only plan to materialise one."""
    event = SqlEventLogStorageTable.c
    kept = [kind.value for kind in (*_OF_ASSETS, DagsterEventType.ASSET_CHECK_EVALUATION)]
    passing = sa.or_(event.dagster_event_type.is_(None), event.dagster_event_type.not_in(kept))
    return sa.and_(_before(event.timestamp, limit), passing, event.run_id.not_in(active))


def _superseded(limit: datetime) -> sa.ColumnElement[bool]:
    """Materialisations and observations followed by another one of the same asset and partition.

    The latest one stays, since otherwise the partition would appear to be missing.
    """
    event = SqlEventLogStorageTable.c
    later = SqlEventLogStorageTable.alias("later")
    newer = sa.exists().where(
        later.c.asset_key == event.asset_key,
        later.c.dagster_event_type == event.dagster_event_type,
        later.c.partition.is_not_distinct_from(event.partition),
        later.c.id > event.id,
    )
    kinds = [kind.value for kind in _OF_ASSETS]
    return sa.and_(_before(event.timestamp, limit), event.dagster_event_type.in_(kinds), newer)


def _old_evaluations(limit: datetime) -> sa.ColumnElement[bool]:
    """Evaluations followed by another evaluation of the same check and partition."""
    execution = AssetCheckExecutionsTable.c
    later = AssetCheckExecutionsTable.alias("later")
    newer = sa.exists().where(
        later.c.asset_key == execution.asset_key,
        later.c.check_name == execution.check_name,
        later.c.partition.is_not_distinct_from(execution.partition),
        later.c.id > execution.id,
    )
    return sa.and_(_before(execution.create_timestamp, limit), newer)


def _evaluated(limit: datetime) -> sa.ColumnElement[bool]:
    """Events of evaluations that are no longer recorded, see `_old_evaluations`."""
    event, execution = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    recorded = sa.exists().where(execution.evaluation_event_storage_id == event.id)
    kind = DagsterEventType.ASSET_CHECK_EVALUATION.value
    return sa.and_(_before(event.timestamp, limit), event.dagster_event_type == kind, ~recorded)


def _delete(storage: SqlEventLogStorage, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    deleted = 0
    while True:
        with storage.index_connection() as connection:
            ids = [row[0] for row in connection.execute(sa.select(table.c.id).where(condition).limit(CHUNK))]
            if ids:
                connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
        deleted += len(ids)
        if len(ids) < CHUNK:
            return deleted


def _delete_runs(instance: DagsterInstance, storage: SqlEventLogStorage, limit: datetime) -> int:
    """Delete ended runs from before a time of which no event is left."""
    deleted, cursor = 0, None
    ended = RunsFilter(statuses=list(ENDED), created_before=limit.astimezone(UTC))
    while True:
        records = instance.get_run_records(ended, limit=RUNS, cursor=cursor, ascending=True)
        ids = [record.dagster_run.run_id for record in records]
        event = SqlEventLogStorageTable.c
        with storage.index_connection() as connection:
            named = sa.select(event.run_id).where(event.run_id.in_(ids)).distinct()
            kept = {run_id for (run_id,) in connection.execute(named)}
        for run_id in ids:
            if run_id not in kept:
                instance.delete_run(run_id)
                deleted += 1
        remaining = [run_id for run_id in ids if run_id in kept]
        if len(ids) < RUNS:
            return deleted
        # A run that was deleted cannot be the cursor.
        cursor = remaining[-1] if remaining else cursor


def build_maintenance(settings: Settings) -> JobDefinition:
    """The job that the daily schedule starts."""

    @op
    def prune_features(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        first = (datetime.now(UTC) - timedelta(days=settings.features.keep_days)).date().isoformat()
        with database.transaction() as connection:
            of_alerts = facts.prune(connection, object_features.ASSET, before=first)
            of_objects = facts.prune(connection, object_statistics.ASSET, before=first)
        context.log.info(f"features of alerts before {first}: {of_alerts} rows deleted")
        context.log.info(f"statistics of objects before {first}: {of_objects} rows deleted")

    @op
    def prune_scores(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        first = (datetime.now(UTC) - timedelta(days=settings.classifiers.keep_days)).date().isoformat()
        present = sorted({item.name for item in ClassifierStore(settings.classifier_folder).versions()})
        with database.transaction() as connection:
            deleted = state.prune(connection, before=first, present=present)
        context.log.info(f"scores of alerts before {first}, and those of removed classifiers: {deleted} deleted")

    @op
    def prune_context(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        with connect(database.url, application="broker-assets maintenance", autocommit=True) as connection:
            pruned = prune_associations(connection)
        context.log.info(f"associations that nothing refers to: {pruned.deleted} deleted, {pruned.left} left")

    @op
    def prune_matches(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        first = (datetime.now(UTC) - timedelta(days=settings.filters.keep_days)).date().isoformat()
        with database.transaction() as connection:
            deleted = runs.prune(connection, before=first)
        context.log.info(f"matches of filters before {first}: {deleted} deleted")

    @op
    def prune_deliveries(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        chosen = settings.delivery
        with database.transaction() as connection:
            done = outbox.prune(connection, content_days=chosen.keep_content_days, days=chosen.keep_days)
        context.log.info(f"messages of filters: {done['emptied']} lost their content, {done['removed']} were deleted")

    @op
    def prune_costs(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        with database.transaction() as connection:
            removed = costs.prune(connection, days=KEPT_COSTS)
        context.log.info(f"costs of runs of {KEPT_COSTS} days ago: {removed} rows deleted")

    @op
    def prune_queries(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        removed = worker.expire(database.url, settings)
        context.log.info(f"queued SQL that ended {settings.tom.results_days:g} days ago: {removed} removed")

    @op
    def prune_event_log(context: OpExecutionContext, config: PruneConfig, database: ResourceParam[Database]) -> None:
        # First, so that an unavailable database stops the pruning: what provenance has not recorded must not be
        # deleted.
        with database.transaction() as connection:
            stale = versions.stale(connection)
        deleted = prune(
            context.instance,
            run_days=config.run_days,
            asset_days=config.asset_days,
            now=datetime.now(UTC),
            evaluation_days=config.evaluation_days,
        )
        said = {f"deleted {kind}": count for kind, count in deleted.items()} | {"stale artefacts": len(stale)}
        context.log.info(", ".join(f"{name}: {count}" for name, count in said.items()))

    @job(
        name="maintenance",
        executor_def=in_process_executor,
        description="Deletes events and runs of Dagster's log that are no longer needed; features, scores and matches "
        "of old nights; associations that nothing refers to; results of queued SQL.",
    )
    def maintenance() -> None:
        prune_event_log()
        prune_features()
        prune_scores()
        prune_context()
        prune_matches()
        prune_deliveries()
        prune_queries()
        prune_costs()

    return maintenance

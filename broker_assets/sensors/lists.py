"""Follows watchlists, areas and sky maps in the database: what changed is observed, indices and matches are renewed.

A tick compares revisions, which costs some small queries; cones and cells are not read. Each list that changed is
one observation with its revision as data version; its files follow by automation. The indices and the matches of past
objects are brought up to date by one run of `match_lists`. What must be done is asked of the database and of Dagster
each time, so nothing is lost when a tick or a run fails, and the sensor has no cursor.
"""

import time
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path

import psycopg
from dagster import (
    DagsterInstance,
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
from broker_assets.assets.sky.lists import CHILDREN, PARTITIONS, entry, revisions
from broker_assets.automation import BACKGROUND
from broker_assets.backoff import RUNS, pause_after
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.provenance import versions
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.kafka_lag import REMEMBERED_FAILURES
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import outdated
from broker_assets.sky.rematch import lists_to_rematch

INTERVAL_SECONDS = 10
MOST_LISTS = 300
"""Lists observed in a tick; the others follow in the next. An event takes 20 ms, and a sensor has a minute."""


def observe_lists(instance: DagsterInstance, database: Database, log: Logger) -> int:
    """Observe every list that is new or changed, and forget those that are gone; gives the number of both.

    A list that Dagster has no partition for is observed although provenance knows its revision, as when Dagster's
    database is new.
    """
    reporter = Reporter(instance, database, log)
    number = 0
    for asset, definition in PARTITIONS.items():
        name = str(definition.name)
        with database.transaction() as connection:
            present = revisions(connection, asset)
            recorded = versions.data_versions(connection, asset)
            made = {key for child in CHILDREN[asset] for key in versions.data_versions(connection, child)}
        partitions = set(instance.get_dynamic_partitions(name))
        changed = {
            key: revision for key, revision in present.items() if recorded.get(key) != revision or key not in partitions
        }
        chosen = dict(sorted(changed.items())[: MOST_LISTS - number])
        instance.add_dynamic_partitions(name, sorted(chosen.keys() - partitions))
        with database.transaction() as connection:
            for key in sorted(chosen.keys() - partitions):
                versions.forget(connection, asset, key)
        number += reporter.send(
            reporter.observe([entry(asset, *item) for item in chosen.items()], partitions=definition)
        )
        gone = (partitions | recorded.keys() | made) - present.keys()
        with database.transaction() as connection:
            for key in sorted(gone):
                for name_of_asset in (asset, *CHILDREN[asset]):
                    versions.forget(connection, name_of_asset, key)
        for key in sorted(gone & partitions):
            instance.delete_dynamic_partition(name, key)
        number += len(gone)
    return number


def reasons_to_match(connection: psycopg.Connection, sky: Path, code_versions: Mapping[str, str]) -> list[str]:
    """Why indices and matches are behind; empty if they are not.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    sky : Path
        Folder of the indices.
    code_versions : mapping
        Deployed code version of each index, by asset: one that other code made is behind, too.
    """
    pending = lists_to_rematch(connection)
    reasons = outdated(connection, sky / CONES, sky / AREAS)
    for index, code_version in sorted(code_versions.items()):
        known = versions.current(connection, index)
        if known is not None and known.code_version != code_version:
            reasons.append(f"{index} was made by code {known.code_version}")
    expired = connection.execute(
        "SELECT (SELECT count(*) FROM watchlists WHERE active AND date_expire <= now())"
        " + (SELECT count(*) FROM areas WHERE active AND date_expire <= now())"
        " + (SELECT count(*) FROM mma_areas WHERE active AND active_until <= now())"
    ).fetchone()
    if expired and expired[0]:
        reasons.append(f"{expired[0]} expired")
    if pending:
        reasons.append(f"{len(pending)} to be matched with past objects")
    return reasons


def match_request(
    context: SensorEvaluationContext, job: str, reasons: Sequence[str], priority: Mapping[str, str] = BACKGROUND
) -> RunRequest | str:
    """A run request that updates indices and hits, or the reason why there is none."""
    if not reasons:
        return "indices and matches are up to date"
    records = context.instance.get_run_records(RunsFilter(job_name=job), limit=REMEMBERED_FAILURES)
    if any(record.dagster_run.status in ACTIVE_RUNS for record in records):
        return f"a run is in progress ({'; '.join(reasons)})"
    failures = 0
    for record in records:
        if record.dagster_run.status != DagsterRunStatus.FAILURE:
            break
        failures += 1
    last = records[0] if records else None
    if last is not None and failures:
        left = (last.end_time or last.update_timestamp.timestamp()) + pause_after(failures, RUNS) - time.time()
        if left > 0:
            return f"{failures} consecutive runs failed, next run in {left:.0f} s ({'; '.join(reasons)})"
    before = last.dagster_run.run_id if last is not None else ""
    return RunRequest(
        run_key=f"{job}/{before}", job_name=job, tags={"broker/reason": "; ".join(reasons)[:200], **priority}
    )


def build_lists_sensor(
    sky: Path, match: UnresolvedAssetJobDefinition, code_versions: Mapping[str, str]
) -> SensorDefinition:
    """The sensor: `match` brings indices and matches up to date; `code_versions` are those of the indices."""

    @sensor(
        name="lists",
        job=match,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Observes the lists that changed, and brings indices and matches of past objects up to date.",
    )
    def lists(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            observed = observe_lists(context.instance, database, context.log)
            with database.transaction() as connection:
                reasons = reasons_to_match(connection, sky, code_versions)
        except DATABASE_AWAY as error:
            return SkipReason(f"the lists cannot be read: {error}")
        if observed:
            context.log.info(f"{observed} lists are new, changed or gone")
        asked = match_request(context, match.name, reasons)
        return asked if isinstance(asked, RunRequest) else SkipReason(asked)

    return lists

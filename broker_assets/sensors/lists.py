"""Follows watchlists, areas and sky maps in the database: indices, re-matches and files of what changed.

A tick compares revisions, which costs three small queries; cones and cells are not looked at. What must be done is
asked of the database and of Dagster each time, so nothing is lost when a tick or a run fails.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster import (
    AddDynamicPartitionsRequest,
    DagsterRunStatus,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from broker_assets.assets.alerts.streams import ACTIVE_RUNS
from broker_assets.backoff import RUNS, pause_after
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.partitions import areas, sky_map_key, sky_maps, watchlists
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.kafka_lag import REMEMBERED_FAILURES
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import outdated
from broker_assets.sky.lists import MATCHED
from broker_assets.sky.rematch import lists_to_rematch

INTERVAL_SECONDS = 10
MOST_RUNS = 10
"""Runs asked for in a tick: a run costs some seconds, and the stream must not wait for a thousand new lists."""

ASKED_SECONDS = 900.0
"""Files that have been asked for and are still old after this time are asked for again."""

PARTITIONS = {"watchlist": watchlists, "area": areas, "sky_map": sky_maps}
"""Assets of files, and their partitions."""

_LISTS = {
    "watchlist": f"SELECT wl_id::text AS id, revision::text AS revision FROM watchlists WHERE {MATCHED['watchlist']}",  # noqa: S608
    "area": f"SELECT ar_id::text AS id, revision::text AS revision FROM areas WHERE {MATCHED['area']}",  # noqa: S608
    "sky_map": "SELECT mw_id::text AS id, sky_map_version AS revision FROM mma_areas WHERE sky_map IS NOT NULL",
}


@dataclass(frozen=True)
class Present:
    """What the database says."""

    reasons: list[str]
    """Why indices and matches are behind."""
    changed: dict[tuple[str, str], str]
    """Files that are missing or old: what they should be of, by asset and partition key."""
    keys: dict[str, set[str]]
    """Partition keys that should exist."""


def look(database: Database, sky: Path, code_versions: Mapping[str, str]) -> Present:
    """Compare lists with indices, re-matches and files; files of another code version are old, too."""
    changed: dict[tuple[str, str], str] = {}
    keys: dict[str, set[str]] = {}
    with database.transaction() as connection:
        pending = lists_to_rematch(connection)
        reasons = outdated(connection, sky / CONES, sky / AREAS)
        expired = connection.execute(
            "SELECT (SELECT count(*) FROM watchlists WHERE active AND date_expire <= now())"
            " + (SELECT count(*) FROM areas WHERE active AND date_expire <= now())"
            " + (SELECT count(*) FROM mma_areas WHERE active AND active_until <= now())"
        ).fetchone()
        names = {
            str(identifier): sky_map_key(identifier, event, version)
            for identifier, event, version in connection.execute("SELECT mw_id, otherid, version FROM mma_areas")
        }
        for asset, statement in _LISTS.items():
            rows = connection.execute(
                f"SELECT list.id, list.revision, known.data_version FROM ({statement}) AS list"  # noqa: S608
                ' LEFT JOIN artefact AS known ON known.asset = %s AND known."partition" = list.id ORDER BY 1',
                (f"{asset}_row",),
            ).fetchall()
            code = code_versions[asset]
            made_otherwise = {
                row[0]
                for row in connection.execute(
                    'SELECT "partition" FROM artefact WHERE asset = %s AND code_version <> %s', (asset, code)
                )
            }
            key_of = {row[0]: names[row[0]] if asset == "sky_map" else row[0] for row in rows}
            keys[asset] = set(key_of.values())
            changed |= {
                (asset, key_of[identifier]): f"{revision} by {code}"
                for identifier, revision, known in rows
                if revision != known or key_of[identifier] in made_otherwise
            }
    if expired and expired[0]:
        reasons.append(f"{expired[0]} expired")
    if pending:
        reasons.append(f"{len(pending)} to be matched with past objects")
    return Present(reasons, changed, keys)


def match_request(context: SensorEvaluationContext, job: str, reasons: Sequence[str]) -> RunRequest | str:
    """A run that brings indices and hits up to date, or why none is asked for."""
    if not reasons:
        return "indices and matches are up to date"
    records = context.instance.get_run_records(RunsFilter(job_name=job), limit=REMEMBERED_FAILURES)
    if any(record.dagster_run.status in ACTIVE_RUNS for record in records):
        return f"a run is under way ({'; '.join(reasons)})"
    failures = 0
    for record in records:
        if record.dagster_run.status != DagsterRunStatus.FAILURE:
            break
        failures += 1
    last = records[0] if records else None
    if last is not None and failures:
        left = (last.end_time or last.update_timestamp.timestamp()) + pause_after(failures, RUNS) - time.time()
        if left > 0:
            return f"{failures} runs failed in a row, the next in {left:.0f} s ({'; '.join(reasons)})"
    before = last.dagster_run.run_id if last is not None else ""
    return RunRequest(run_key=f"{job}/{before}", job_name=job, tags={"broker/reason": "; ".join(reasons)[:200]})


def build_lists(
    sky: Path,
    match: UnresolvedAssetJobDefinition,
    files: Sequence[UnresolvedAssetJobDefinition],
    code_versions: Mapping[str, str],
) -> SensorDefinition:
    """The sensor: `match` brings indices and hits up to date, the jobs `files` make those of one list each.

    `code_versions` are those of the assets of files: what another one made is made by these jobs, too.
    """
    job_of = {job.name.removesuffix("_files"): job.name for job in files}

    @sensor(
        name="lists",
        jobs=[match, *files],
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Brings indices, matches of past objects and MOC files up to date when lists change.",
    )
    def lists(context: SensorEvaluationContext, database: ResourceParam[Database]) -> SensorResult | SkipReason:
        try:
            present = look(database, sky, code_versions)
        except DATABASE_AWAY as error:
            return SkipReason(f"the lists cannot be read: {error}")
        now = time.time()
        matching = match_request(context, match.name, present.reasons)
        requests = [matching] if isinstance(matching, RunRequest) else []
        # Files asked for a while ago and still old; only what is waiting stands in the cursor.
        asked: dict[str, tuple[str, float]] = {
            name: (revision, when)
            for name, (revision, when) in json.loads(context.cursor or "{}").items()
            if now - when < ASKED_SECONDS
        }
        waiting: dict[str, tuple[str, float]] = {}
        for (asset, key), revision in present.changed.items():
            name = f"{asset}/{key}"
            if asked.get(name, ("", 0.0))[0] == revision:
                waiting[name] = asked[name]
            elif len(requests) < MOST_RUNS:
                waiting[name] = (revision, now)
                requests.append(
                    RunRequest(
                        run_key=f"{name}/{revision}/{now:.0f}",
                        job_name=job_of[asset],
                        partition_key=key,
                    )
                )
        partitions: list[AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest] = []
        for asset, definition in PARTITIONS.items():
            known = set(context.instance.get_dynamic_partitions(str(definition.name)))
            new, gone = sorted(present.keys[asset] - known), sorted(known - present.keys[asset])
            if new:
                partitions.append(definition.build_add_request(new))
            if gone:
                partitions.append(definition.build_delete_request(gone))
        return SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=partitions,
            cursor=json.dumps(waiting),
            skip_reason=None if requests else SkipReason(str(matching)),
        )

    return lists

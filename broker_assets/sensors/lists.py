"""Follows watchlists, areas and sky maps in the database: changes are observed, indices and matches are updated.

A tick compares revisions, which costs some small queries; cones and cells are not read. Each list that changed is one
observation with its revision as data version; its files follow by automation. The indices and the matches of past
objects are brought up to date by one run of `match_lists`. What must be done is derived from the database and Dagster
at every tick, so nothing is lost when a tick or a run fails, and the sensor has no cursor.
"""

import datetime
from collections.abc import Mapping
from logging import Logger
from pathlib import Path

import psycopg
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.reporter import Entry
from broker_assets.assets.sky.lists import CHILDREN, PARTITIONS, entry, revisions
from broker_assets.automation import PROMPT
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.provenance import versions
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.observed_partitions import follow_partitions
from broker_assets.sensors.run_history import requested
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import outdated
from broker_assets.sky.notice_fields import mjd_tai
from broker_assets.sky.rematch import lists_to_rematch

INTERVAL_SECONDS = 10
MOST_LISTS = 300
"""Lists observed in a tick; the others follow in the next. An event takes 20 ms, and a sensor has a minute."""


def observe_lists(instance: DagsterInstance, database: Database, log: Logger) -> int:
    """Observe lists that are new or changed, forget those that are gone, and return the number of both together."""
    number = 0
    for asset, definition in PARTITIONS.items():
        with database.transaction() as connection:
            present = revisions(connection, asset)

        def reported(key: str, asset: str = asset, present: dict[str, str] = present) -> Entry:
            return entry(asset, key, present[key])

        number += follow_partitions(
            instance,
            database,
            log,
            asset,
            definition,
            present,
            reported,
            children=CHILDREN[asset],
            most=MOST_LISTS - number,
        )
    return number


def reasons_to_match(connection: psycopg.Connection, sky: Path, code_versions: Mapping[str, str]) -> list[str]:
    """Why indices and matches are out of date; empty if they are not.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database.
    sky : Path
        Folder of the indices.
    code_versions : mapping
        Deployed code version of each index, by asset: an index that other code made is out of date, too.
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
        " + (SELECT count(*) FROM notice_events WHERE revision_to IS NULL AND mjd_until <= %s)",
        (mjd_tai(datetime.datetime.now(datetime.UTC)),),
    ).fetchone()
    if expired and expired[0]:
        reasons.append(f"{expired[0]} expired")
    if pending:
        reasons.append(f"{len(pending)} to be matched with past objects")
    return reasons


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
        if not reasons:
            return SkipReason("indices and matches are up to date")
        asked = requested(context.instance, match.name, reasons, PROMPT)
        return asked if isinstance(asked, RunRequest) else SkipReason(asked)

    return lists

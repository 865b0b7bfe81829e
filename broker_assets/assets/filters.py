"""The filters of users: `filters`, one partition per active filter, with its yield.

They are not built here but observed: users save and activate them. The data version of a partition is the version that
runs. The sensor `filters` records what has changed, without a run; observing a partition by hand does the same. Their
matches are `filter_matches`, by night, with the other facts of alerts.
"""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    ObserveResult,
    ResourceParam,
    multi_observable_source_asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, FILTER_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.filters.matching import FILTERS
from broker_assets.filters.registry import StoredFilter, get_filter, list_filters, version_of
from broker_assets.filters.yields import newest_yield, recent_nights
from broker_assets.partitions import filters
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

_NIGHTS: Final = 10
"""Nights whose yield is shown."""


def active_versions(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Data version of each active filter, by number."""
    return {str(item.filterid): _version(item) for item in list_filters(connection, active=True)}


def _version(item: StoredFilter) -> str:
    return f"version {item.version}"


def entry(connection: psycopg.Connection[Any], key: str) -> Entry:
    """The entry that reports a filter; every account may read Dagster, so that one that is not public has no name.

    Raises
    ------
    UnknownFilter
        If there is none.
    """
    item = get_filter(connection, int(key))
    version, matches = _version(item), newest_yield(connection).get(item.filterid, 0)
    artefact = versions.Artefact(asset=FILTERS, partition=str(item.filterid), data_version=version)
    nights = {found.night: found.matches for found in recent_nights(connection, item.filterid, _NIGHTS)}
    about = {
        "name": item.name,
        "owner": item.owner,
        "definition": version_of(connection, item.filterid, item.version).definition,
    }
    metadata = {
        **(about if item.public else {"name": "not public"}),
        "matches of the newest night": matches,
        "matches by night": nights,
        "expires": f"{item.date_expire:%Y-%m-%d}" if item.date_expire else "never",
    }
    shown = item.name if item.public else f"filter {item.filterid}"
    return Entry(artefact, description=f"{shown}, {version}", metadata=metadata)


def build_filters() -> AssetsDefinition:
    """The observed asset."""
    spec = AssetSpec(
        FILTERS,
        group_name="filters",
        kinds={"postgres", "duckdb"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="list", family="alerts", store="postgres"),
        **about(
            "Conditions of users on alerts, one partition per active filter (`broker-assets filter`). The data version "
            "is the version that runs.",
            FILTER_OBSERVER,
        ),
    )

    @multi_observable_source_asset(name="observe_filters", specs=[spec], partitions_def=filters)
    def observe(context: AssetExecutionContext, database: ResourceParam[Database]) -> Iterator[ObserveResult]:
        key = context.partition_key
        with database.transaction() as connection:
            if key not in active_versions(connection):
                raise Failure(f"there is no longer an active filter {key!r}", allow_retries=False)
            found = entry(connection, key)
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).seen(found)

    observed: AssetsDefinition = observe
    return observed

"""Lists from users and notices: `watchlists`, `areas`, `sky_map_notices`, one partition per list.

They are not built here but observed: the data version of a partition is the revision of its list. The sensor `lists`
records what has changed, without a run; observing a partition by hand does the same. Their children are the files of
each list and the indices of all.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    DynamicPartitionsDefinition,
    Failure,
    ObserveResult,
    ResourceParam,
    multi_observable_source_asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, LIST_OBSERVER, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.sky.tns import ASSET as TNS_ASSET
from broker_assets.partitions import areas, sky_map_key, sky_maps, watchlists
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sky.revisions import area_revisions, sky_map_revisions, watchlist_revisions

WATCHLISTS: Final = "watchlists"
AREAS: Final = "areas"
SKY_MAP_NOTICES: Final = "sky_map_notices"

FILES: Final = {WATCHLISTS: "watchlist", AREAS: "area", SKY_MAP_NOTICES: "sky_map"}
"""Asset of the files that are built from each list."""

CHILDREN: Final = {
    WATCHLISTS: ("watchlist", "watchlist_hits"),
    AREAS: ("area", "area_hits"),
    SKY_MAP_NOTICES: ("sky_map", "sky_map_hits"),
}
"""Assets with the same partitions: what is built from a list disappears with it."""

PARTITIONS: Final[dict[str, DynamicPartitionsDefinition]] = {
    WATCHLISTS: watchlists,
    AREAS: areas,
    SKY_MAP_NOTICES: sky_maps,
}
"""Partitions of each kind of list, and of its files."""

_DESCRIPTIONS: Final = {
    WATCHLISTS: "Watchlists that are matched, one partition per list. The data version is the revision of the list.",
    AREAS: "Areas of the sky that are matched, one partition per area. The data version is the revision of the area.",
    SKY_MAP_NOTICES: "Sky maps from notices of gravitational-wave events, one partition per event and version. The "
    "data version is a hash of the map.",
}
# The watchlist of TNS follows its table.
_PARENTS: Final[dict[str, list[str]]] = {WATCHLISTS: [TNS_ASSET], AREAS: [], SKY_MAP_NOTICES: []}


def _keyed(revisions: dict[int, str]) -> dict[str, str]:
    return {str(identifier): revision for identifier, revision in revisions.items()}


_REVISIONS: Final[dict[str, Callable[[psycopg.Connection[Any]], dict[str, str]]]] = {
    WATCHLISTS: lambda connection: _keyed(watchlist_revisions(connection)),
    AREAS: lambda connection: _keyed(area_revisions(connection)),
    SKY_MAP_NOTICES: lambda connection: {
        sky_map_key(item.mw_id, item.event, item.version): item.revision for item in sky_map_revisions(connection)
    },
}


def revisions(connection: psycopg.Connection[Any], asset: str) -> dict[str, str]:
    """Revision of each list of a kind that is matched, by partition key."""
    return _REVISIONS[asset](connection)


def entry(asset: str, key: str, revision: str) -> Entry:
    """The entry that reports a list."""
    artefact = versions.Artefact(asset=asset, partition=key, data_version=revision)
    return Entry(artefact, description=f"revision {revision}")


def build_lists() -> list[AssetsDefinition]:
    """The observed assets."""
    return [_observed(asset) for asset in PARTITIONS]


def _observed(asset: str) -> AssetsDefinition:
    spec = AssetSpec(
        asset,
        deps=_PARENTS[asset],
        group_name="sky",
        kinds={"postgres"},
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="list", family="sky", store="postgres"),
        **about(_DESCRIPTIONS[asset], LIST_OBSERVER),
    )

    @multi_observable_source_asset(name=f"observe_{asset}", specs=[spec], partitions_def=PARTITIONS[asset])
    def observe(context: AssetExecutionContext, database: ResourceParam[Database]) -> Iterator[ObserveResult]:
        key = context.partition_key
        with database.transaction() as connection:
            revision = revisions(connection, asset).get(key)
        if revision is None:
            raise Failure(f"{key} of {asset} is no longer matched", allow_retries=False)
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.seen(entry(asset, key, revision))

    observed: AssetsDefinition = observe
    return observed

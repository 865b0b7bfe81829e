"""The state of hits, list by list: `watchlist_hits`, `area_hits`, `sky_map_hits`, with a partition for each list.

The stream updates the hits of objects whose position changes, in the transaction of each batch; the job `match_lists`
updates those of changed lists and reports them here. Materialising a partition matches every object with that list
again. Hits of past alerts are facts by night (`broker_assets.assets.alerts`): no change of a list makes them stale.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetsDefinition,
    DynamicPartitionsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, MATCH, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.sky.lists import AREAS, SKY_MAP_NOTICES, WATCHLISTS
from broker_assets.database.engine import connect
from broker_assets.database.tables import area_hits, mma_area_hits, watchlist_hits
from broker_assets.partitions import areas, sky_maps, watchlists
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sky.hits import MATCHING_VERSION
from broker_assets.sky.rematch import Kind, Rematched, rematch

HITS: dict[Kind, tuple[str, sa.Table, DynamicPartitionsDefinition, str]] = {
    "watchlist": ("watchlist_hits", watchlist_hits, watchlists, "Objects that lie inside a cone of the watchlist now."),
    "area": ("area_hits", area_hits, areas, "Objects that lie inside the area now."),
    "sky_map": (
        "sky_map_hits",
        mma_area_hits,
        sky_maps,
        "Objects that lie inside the 90 per cent region of the sky map now.",
    ),
}
"""Asset, table, partitions and meaning of the hits of each kind of list."""

LISTS: dict[Kind, str] = {"watchlist": WATCHLISTS, "area": AREAS, "sky_map": SKY_MAP_NOTICES}
"""The observed asset of each kind of list."""


def build_hit_assets() -> list[AssetsDefinition]:
    """The assets."""
    return [_hits(kind) for kind in HITS]


def _hits(kind: Kind) -> AssetsDefinition:
    name, table, partitions, meaning = HITS[kind]

    @asset(
        name=name,
        partitions_def=partitions,
        group_name="sky",
        deps=[LISTS[kind], AssetDep("objects", partition_mapping=AllPartitionMapping())],
        code_version=MATCHING_VERSION,
        kinds={"postgres"},
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="hits", family="sky", store="postgres"),
        **about(
            f"{meaning} Drain runs keep it up to date for the objects whose positions they change. Materialising a "
            f"partition "
            "matches all objects with the list again. For changed lists:",
            MATCH,
            table_metadata(table),
        ),
    )
    def hits(context: AssetExecutionContext, database: ResourceParam[Database]) -> Iterator[MaterializeResult[Any]]:
        identifier = int(context.partition_key.split("_", 1)[0])
        with connect(database.url, autocommit=True) as connection:
            result = rematch(connection, kind, identifier, whole=True)
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(hits_entry(kind, context.partition_key, result))

    made: AssetsDefinition = hits
    return made


def hits_entry(kind: Kind, partition: str, result: Rematched) -> Entry:
    """The updated hits of a list; their version is the number of the change up to which they are valid."""
    return Entry(
        versions.Artefact(
            asset=HITS[kind][0],
            partition=partition,
            data_version=str(result.revision),
            code_version=MATCHING_VERSION,
        ),
        metadata={
            "dagster/row_count": result.total,
            "hits written": result.hits,
            "objects that lost hits": result.removed,
            "objects compared": result.candidates,
        },
    )

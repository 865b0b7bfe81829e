"""The state of hits, list by list: `watchlist_hits`, `area_hits`, `sky_map_hits`, with a partition for each list.

The stream keeps the hits of the objects that it moves up to date, in the transaction of each batch; the job
`match_lists` brings those of changed lists up to date and reports them here. Materialising a partition matches every
object with that list again. What past alerts were hits of are facts by night (`broker_assets.assets.alerts.nights`): no change
of a list makes them stale.
"""

from typing import Any

import sqlalchemy as sa
from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    DataVersion,
    DynamicPartitionsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.sky.tns import OWNERS
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


def build_hit_assets() -> list[AssetsDefinition]:
    """The assets."""
    return [_hits(kind) for kind in HITS]


def _hits(kind: Kind) -> AssetsDefinition:
    name, table, partitions, meaning = HITS[kind]

    @asset(
        name=name,
        partitions_def=partitions,
        group_name="sky",
        deps=[AssetDep("objects", partition_mapping=AllPartitionMapping())],
        code_version=MATCHING_VERSION,
        metadata=table_metadata(table),
        kinds={"postgres"},
        owners=OWNERS,
        description=f"{meaning} The stream keeps it up to date for the objects that it moves, the job match_lists for "
        "changed lists. Materialising a partition matches all objects with the list again.",
    )
    def hits(context: AssetExecutionContext, database: ResourceParam[Database]) -> MaterializeResult[Any]:
        identifier = int(context.partition_key.split("_", 1)[0])
        with connect(database.url, autocommit=True) as connection:
            result = rematch(connection, kind, identifier, whole=True)
        record_hits(database, kind, context.partition_key, str(result.revision), context.run.run_id)
        return MaterializeResult(data_version=DataVersion(str(result.revision)), metadata=hits_metadata(result))

    return hits


def hits_materialisation(kind: Kind, partition: str, result: Rematched) -> AssetMaterialization:
    """What Dagster is to know of the hits of a list that were brought up to date."""
    return AssetMaterialization(
        asset_key=HITS[kind][0],
        partition=partition,
        metadata=hits_metadata(result),
        tags={"dagster/data_version": str(result.revision), "dagster/code_version": MATCHING_VERSION},
    )


def hits_metadata(result: Rematched) -> dict[str, Any]:
    """What is shown of hits that were brought up to date."""
    return {
        "dagster/row_count": result.total,
        "hits written": result.hits,
        "objects that lost hits": result.removed,
        "objects compared": result.candidates,
        "revision": result.revision,
    }


def record_hits(database: Database, kind: Kind, partition: str, version: str, run_id: str) -> None:
    """Enter the version of the hits of a list in provenance."""
    entry = versions.Artefact(
        asset=HITS[kind][0],
        partition=partition,
        data_version=version,
        code_version=MATCHING_VERSION,
        run_id=run_id,
    )
    with database.transaction() as connection:
        versions.record(connection, [entry])

"""Hits of the stream, night by night: `watchlist_hits`, `area_hits`, `sky_map_hits`.

Drain runs write them in the transaction of each batch and report them here; materialising a night matches its objects
again with the indices in force. Hits of past objects with a list that changed are those of `rematched_lists`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    DataVersion,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.sky.tns import OWNERS
from broker_assets.database.engine import connect
from broker_assets.database.tables import area_hits, mma_area_hits, watchlist_hits
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sky.hits import MATCHING_VERSION
from broker_assets.stream.matching import SkyMatcher, hit_versions, rematch_night

HITS = {
    "watchlist_hits": (watchlist_hits, "Objects inside a cone of a watchlist."),
    "area_hits": (area_hits, "Objects inside an area."),
    "sky_map_hits": (mma_area_hits, "Objects inside the 90 per cent region of a sky map."),
}
"""Table and meaning of each asset."""
NO_HITS = "0"


def build_hit_assets(sky: Path) -> list[AssetsDefinition]:
    """The assets; `sky` is the folder of the indices."""

    @multi_asset(
        name="night_hits",
        partitions_def=nights,
        group_name="sky",
        specs=[
            AssetSpec(
                name,
                deps=["objects"],
                description=f"{meaning} Materialising a night matches its objects again.",
                code_version=MATCHING_VERSION,
                metadata=table_metadata(table),
                kinds={"postgres"},
                owners=OWNERS,
            )
            for name, (table, meaning) in HITS.items()
        ],
        backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=1),
    )
    def night_hits(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        with connect(database.url, autocommit=True) as connection:
            counts = rematch_night(connection, SkyMatcher(sky), night)
            current = hit_versions(connection, [night])
        context.log.info(f"new: {counts}")
        _record(database, [night], current, context.run.run_id)
        for name in HITS:
            count, version = current.get((name, night), (0, NO_HITS))
            yield MaterializeResult(
                asset_key=name, data_version=DataVersion(version), metadata={"dagster/row_count": count}
            )

    return [night_hits]


def report_hits(database: Database, keys: Sequence[str], run_id: str) -> Iterator[AssetMaterialization]:
    """One materialisation per asset and night whose hits are others than those known."""
    if not keys:
        return
    with database.transaction() as connection:
        current = hit_versions(connection, keys)
        known = {name: versions.data_versions(connection, name, list(keys)) for name in HITS}
    new = {place: found for place, found in current.items() if known[place[0]].get(place[1]) != found[1]}
    for (name, night), (count, version) in sorted(new.items()):
        yield AssetMaterialization(
            asset_key=name,
            partition=night,
            metadata={"dagster/row_count": count},
            tags={"dagster/data_version": version, "dagster/code_version": MATCHING_VERSION},
        )
    if new:
        _record(database, sorted({night for _, night in new}), current, run_id)


def _record(
    database: Database, keys: Sequence[str], current: dict[tuple[str, str], tuple[int, str]], run_id: str
) -> None:
    entries = [
        versions.Artefact(
            asset=name,
            partition=night,
            data_version=current.get((name, night), (0, NO_HITS))[1],
            code_version=MATCHING_VERSION,
            run_id=run_id,
        )
        for night in keys
        for name in HITS
    ]
    with database.transaction() as connection:
        versions.record(connection, entries)

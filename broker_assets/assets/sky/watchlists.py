"""Watchlists, and what is done when any list changed: the indices, the re-match of past objects, the MOC files.

What exists: `active_lists`, `cone_index`, `rematched_lists`, and `watchlist` with one partition a list. The sensor
`lists` makes them when the database says that something changed; only what changed is made again.
"""

import hashlib
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    Backoff,
    DataVersion,
    MaterializeResult,
    ResourceParam,
    RetryPolicy,
    asset,
)
from mocpy import MOC

from broker_assets.assets.metadata import inline_png
from broker_assets.assets.reporter import Reporter
from broker_assets.assets.sky.hits import HITS, hits_entry
from broker_assets.assets.sky.tns import ASSET as TNS_ASSET
from broker_assets.assets.sky.tns import OWNERS
from broker_assets.database.engine import connect
from broker_assets.partitions import sky_map_key, watchlists
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import MocSettings
from broker_assets.sky.cones import CONE_INDEX_VERSION
from broker_assets.sky.events import expire_sky_maps
from broker_assets.sky.hits import MATCHING_VERSION
from broker_assets.sky.in_force import CONES
from broker_assets.sky.indices import Refreshed, refresh_cone_index
from broker_assets.sky.lists import UnknownList, expire_lists
from broker_assets.sky.pictures import footprint_png
from broker_assets.sky.products import (
    Product,
    cones_of_watchlist,
    watchlist_code_version,
    watchlist_product,
)
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.storage.published import publish, remove_unlisted

RETRIES = RetryPolicy(max_retries=3, delay=5, backoff=Backoff.EXPONENTIAL)
"""A list may be changed or the database be away in the middle; the next sensor tick does not ask for the same again."""

MARKED_CONES = 5000
"""Most cones that are drawn one by one; more are seen by their MOC."""


def build_watchlist_assets(sky: Path, mocs: MocSettings) -> list[AssetsDefinition]:
    """The assets; `sky` is the folder of the indices, `mocs` how the files are made."""

    @asset(
        group_name="sky",
        code_version="1",
        kinds={"postgres"},
        owners=OWNERS,
        deps=[TNS_ASSET],
        description="Which watchlists, areas and sky maps are matched. Materialising it ends those whose time is over.",
    )
    def active_lists(
        database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> MaterializeResult[Any]:
        with connect(database.url, autocommit=True) as connection:
            expired = expire_lists(connection)
            maps = expire_sky_maps(connection)
            active = connection.execute(
                "SELECT 'watchlist', wl_id, revision FROM watchlists WHERE active"
                " UNION ALL SELECT 'area', ar_id, revision FROM areas WHERE active"
                " UNION ALL SELECT 'sky_map', mw_id, 1 FROM mma_areas WHERE active ORDER BY 1, 2"
            ).fetchall()
            maps_known = [row[0] for row in connection.execute("SELECT mw_id FROM mma_areas")]
        removed = [
            *remove_unlisted(
                object_store.path("watchlists"), "wl_", [number for kind, number, _ in active if kind == "watchlist"]
            ),
            *remove_unlisted(object_store.path("areas"), "ar_", [n for kind, n, _ in active if kind == "area"]),
            *remove_unlisted(object_store.path("sky_maps"), "mw_", maps_known),
        ]
        return MaterializeResult(
            data_version=DataVersion(hashlib.sha256(repr(active).encode()).hexdigest()[:32]),
            metadata={
                "active": len(active),
                "watchlists expired": expired["watchlist"],
                "areas expired": expired["area"],
                "sky maps expired": maps,
                "files removed": removed,
            },
        )

    @asset(
        group_name="sky",
        code_version=CONE_INDEX_VERSION,
        kinds={"numpy", "file"},
        owners=OWNERS,
        deps=[active_lists],
        retry_policy=RETRIES,
        description="The cones of all active watchlists in the order of the sky. Only changed cones are read; its "
        "version changes only with its cones.",
    )
    def cone_index(context: AssetExecutionContext, database: ResourceParam[Database]) -> MaterializeResult[Any]:
        with connect(database.url) as connection:
            refreshed = refresh_cone_index(connection, sky / CONES)
        record(database, "cone_index", "", refreshed.version, CONE_INDEX_VERSION, context.run.run_id)
        return index_result(refreshed, "cones")

    @asset(
        group_name="sky",
        code_version=MATCHING_VERSION,
        kinds={"postgres"},
        owners=OWNERS,
        deps=[cone_index, "area_index"],
        retry_policy=RETRIES,
        description="Brings the hits of every list that changed up to date, and only those.",
    )
    def rematched_lists(context: AssetExecutionContext, database: ResourceParam[Database]) -> MaterializeResult[Any]:
        done: dict[str, str] = {}
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        with connect(database.url, autocommit=True) as connection:
            keys = {
                identifier: sky_map_key(identifier, event, version)
                for identifier, event, version in connection.execute("SELECT mw_id, otherid, version FROM mma_areas")
            }
            for kind, identifier, revision in lists_to_rematch(connection):
                try:
                    result = rematch(connection, kind, identifier)
                except UnknownList:
                    continue  # deleted meanwhile
                done[f"{kind} {identifier}"] = (
                    f"{result.candidates} looked at, {result.hits} new, {result.total} in all"
                )
                context.log.info(f"{kind} {identifier}: {done[f'{kind} {identifier}']}")
                if revision:  # a list that is not matched any more has no partition
                    key = keys[identifier] if kind == "sky_map" else str(identifier)
                    for event in reporter.report([hits_entry(kind, key, result)], partitions=HITS[kind][2]):
                        context.log_event(event)
            row = connection.execute(
                "SELECT md5(coalesce(string_agg(ROW(kind, list_id, revision, hits)::text, ';' ORDER BY kind, list_id),"
                " '')) FROM rematch"
            ).fetchone()
        version = str(row[0]) if row else ""
        record(database, "rematched_lists", "", version, MATCHING_VERSION, context.run.run_id)
        return MaterializeResult(data_version=DataVersion(version), metadata={"lists": len(done), "results": done})

    @asset(
        partitions_def=watchlists,
        group_name="sky",
        code_version=watchlist_code_version(mocs),
        kinds={"fits", "file"},
        owners=OWNERS,
        retry_policy=RETRIES,
        description=f"MOC of a watchlist in chunks of {mocs.watchlist_cones:,} cones (moc000.fits, …), of order "
        f"{mocs.watchlist_order}, with its cones (watchlist.csv).",
    )
    def watchlist(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> MaterializeResult[Any]:
        identifier = int(context.partition_key)
        with connect(database.url, autocommit=True) as connection:
            product = watchlist_product(connection, identifier, mocs)
            index = cones_of_watchlist(connection, identifier) if product.about["cones"] <= MARKED_CONES else None
        publish(
            object_store.path("watchlists", f"wl_{identifier}"), product.files, version=product.version,
            about=product.about,
        )  # fmt: skip
        record_product(database, "watchlist", context.partition_key, product, context.run.run_id)
        if index is not None:
            picture = footprint_png(ra=index.ra, dec=index.dec, title=product.name)
        else:
            coarse = [moc.degrade_to_order(7) for moc in product.mocs]
            picture = footprint_png(united(coarse), title=product.name)
        return product_result(product, picture)

    return [active_lists, cone_index, rematched_lists, watchlist]


def index_result(refreshed: Refreshed, entries: str) -> MaterializeResult[Any]:
    """What is said of an index."""
    return MaterializeResult(
        data_version=DataVersion(refreshed.version),
        metadata={
            "lists": refreshed.lists,
            entries: refreshed.entries,
            "removed": refreshed.removed,
            "added": refreshed.added,
            "changed": refreshed.changed,
        },
    )


def product_result(product: Product, picture: bytes) -> MaterializeResult[Any]:
    """What is said of published files, with their picture."""
    shown = inline_png(picture)
    sky_fraction = _fraction(product.mocs or list(product.contours.values())[-1:])
    return MaterializeResult(
        data_version=DataVersion(product.version),
        metadata={
            "name": product.name,
            "files": {name: len(content) for name, content in product.files.items()},
            "sky fraction": sky_fraction,
            **product.about,
            **({"footprint": shown} if shown is not None else {}),
        },
    )


def _fraction(mocs: list[MOC]) -> float:
    return float(united(mocs).sky_fraction) if mocs else 0.0


def united(mocs: list[MOC]) -> MOC:
    """The union of MOCs, of which there is at least one."""
    return mocs[0].union(*mocs[1:]) if len(mocs) > 1 else mocs[0]


def record_product(database: Database, asset: str, partition: str, product: Product, run_id: str) -> None:
    """Enter a product in provenance, and the revision of the list that it was made of."""
    row = versions.Input(asset=f"{asset}_row", partition=str(product.identifier), data_version=product.revision)
    entries = [
        versions.Artefact(asset=row.asset, partition=row.partition, data_version=row.data_version),
        versions.Artefact(
            asset=asset,
            partition=partition,
            data_version=product.version,
            code_version=product.code_version,
            run_id=run_id,
            inputs=(row,),
        ),
    ]
    with database.transaction() as connection:
        versions.record(connection, entries)


def record(database: Database, asset: str, partition: str, version: str, code: str, run_id: str) -> None:
    """Enter a version in provenance."""
    entry = versions.Artefact(asset=asset, partition=partition, data_version=version, code_version=code, run_id=run_id)
    with database.transaction() as connection:
        versions.record(connection, [entry])

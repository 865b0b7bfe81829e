"""Watchlists, and the work after a list changes: the indices, the re-match of past objects, the MOC files.

The assets are `active_lists`, `cone_index`, `rematched_lists`, and `watchlist` with one partition per list. The files
follow their list by `on_new_versions`. The others are built together and in this order by the job `match_lists`, which
the sensor `lists` starts: a removed list is not a new version of anything, and hits must not wait for the evaluation of
conditions.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    Backoff,
    MaterializeResult,
    ResourceParam,
    RetryPolicy,
    asset,
)
from mocpy import MOC

from broker_assets.assets.labels import ALL_SURVEYS, MATCH, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.metadata import inline_png
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.sky.hits import HITS, hits_entry
from broker_assets.assets.sky.lists import AREAS, FILES, SKY_MAP_NOTICES, WATCHLISTS
from broker_assets.automation import on_new_versions
from broker_assets.database.engine import connect
from broker_assets.partitions import sky_map_key, watchlists
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings.sky import MocSettings
from broker_assets.sky.cones import CONE_INDEX_VERSION
from broker_assets.sky.events import expire_sky_maps
from broker_assets.sky.hits import MATCHING_VERSION
from broker_assets.sky.in_force import CONES
from broker_assets.sky.indices import Refreshed, refresh_cone_index
from broker_assets.sky.lists import UnknownList, expire_lists
from broker_assets.sky.moving_lists import expire_event_cones
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
"""A list may change, or the database become unavailable, meanwhile; `on_new_versions` retries only once."""

MARKED_CONES = 5000
"""Maximum number of cones plotted individually; more are represented by their MOC."""

ACTIVE_LISTS_VERSION: Final = "1"
"""Code version of `active_lists`."""


def build_watchlist_assets(sky: Path, mocs: MocSettings) -> list[AssetsDefinition]:
    """The assets; `sky` is the folder of the indices, `mocs` has the settings of the files."""

    @asset(
        group_name="sky",
        code_version=ACTIVE_LISTS_VERSION,
        kinds={"postgres"},
        deps=[WATCHLISTS, AREAS, SKY_MAP_NOTICES],
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="list", family="sky", store="postgres"),
        **about("Which watchlists, areas and sky maps are matched. Materialising it deactivates expired ones.", MATCH),
    )
    def active_lists(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, autocommit=True) as connection:
            expired = expire_lists(connection)
            maps = expire_sky_maps(connection)
            events = expire_event_cones(connection)
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
        artefact = versions.Artefact(
            asset="active_lists",
            data_version=hashlib.sha256(repr(active).encode()).hexdigest()[:32],
            code_version=ACTIVE_LISTS_VERSION,
        )
        metadata = {
            "active": len(active),
            "watchlists expired": expired["watchlist"],
            "areas expired": expired["area"],
            "sky maps expired": maps,
            "cones of events expired": events,
            "files removed": removed,
        }
        yield from reporter(context, database).made(Entry(artefact, metadata=metadata))

    @asset(
        group_name="sky",
        code_version=CONE_INDEX_VERSION,
        kinds={"numpy", "file"},
        deps=[WATCHLISTS, active_lists],
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="index", family="sky", store="files"),
        **about(
            "The cones of all active watchlists, ordered by position. Only changed cones are read; its version "
            "changes only with its cones.",
            MATCH,
        ),
    )
    def cone_index(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        rebuild = made_by_other_code(database, "cone_index", CONE_INDEX_VERSION)
        with connect(database.url) as connection:
            refreshed = refresh_cone_index(connection, sky / CONES, rebuild=rebuild)
        artefact = versions.Artefact(
            asset="cone_index", data_version=refreshed.version, code_version=CONE_INDEX_VERSION
        )
        yield from reporter(context, database).made(Entry(artefact, metadata=index_metadata(refreshed, "cones")))

    @asset(
        group_name="sky",
        code_version=MATCHING_VERSION,
        kinds={"postgres"},
        deps=[cone_index, "area_index"],
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="hits", family="sky", store="postgres"),
        **about("Brings the hits of every list that changed up to date, and only those.", MATCH),
    )
    def rematched_lists(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        done: dict[str, str] = {}
        reports = reporter(context, database)
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
                    f"{result.candidates} examined, {result.hits} new, {result.total} in total"
                )
                context.log.info(f"{kind} {identifier}: {done[f'{kind} {identifier}']}")
                if revision:  # a list that is no longer matched has no partition
                    key = keys[identifier] if kind == "sky_map" else str(identifier)
                    for event in reports.report([hits_entry(kind, key, result)], partitions=HITS[kind][2]):
                        context.log_event(event)
            row = connection.execute(
                "SELECT md5(coalesce(string_agg(ROW(kind, list_id, revision, hits)::text, ';' ORDER BY kind, list_id),"
                " '')) FROM rematch"
            ).fetchone()
        artefact = versions.Artefact(
            asset="rematched_lists", data_version=str(row[0]) if row else "", code_version=MATCHING_VERSION
        )
        yield from reports.made(Entry(artefact, metadata={"lists": len(done), "results": done}))

    @asset(
        partitions_def=watchlists,
        deps=[WATCHLISTS],
        automation_condition=on_new_versions(),
        group_name="sky",
        code_version=watchlist_code_version(mocs),
        kinds={"fits", "file"},
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="files", family="sky", store="files"),
        **about(
            f"MOC of a watchlist in chunks of {mocs.watchlist_cones:,} cones (moc000.fits, …), of order "
            f"{mocs.watchlist_order}, with its cones (watchlist.csv)."
        ),
    )
    def watchlist(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> Iterator[MaterializeResult[Any]]:
        identifier = int(context.partition_key)
        with connect(database.url, autocommit=True) as connection:
            product = watchlist_product(connection, identifier, mocs)
            index = cones_of_watchlist(connection, identifier) if product.about["cones"] <= MARKED_CONES else None
        publish(
            object_store.path("watchlists", f"wl_{identifier}"), product.files, version=product.version,
            about=product.about,
        )  # fmt: skip
        if index is not None:
            picture = footprint_png(ra=index.ra, dec=index.dec, title=product.name)
        else:
            coarse = [moc.degrade_to_order(7) for moc in product.mocs]
            picture = footprint_png(united(coarse), title=product.name)
        entry = product_entry(WATCHLISTS, context.partition_key, product, picture)
        yield from reporter(context, database).made(entry)

    return [active_lists, cone_index, rematched_lists, watchlist]


def reporter(context: AssetExecutionContext, database: Database) -> Reporter:
    """The reporter of a run."""
    return Reporter(context.instance, database, context.log, run_id=context.run.run_id)


def made_by_other_code(database: Database, index: str, code_version: str) -> bool:
    """Whether an index must be built from scratch because code that is not the deployed one has updated it."""
    with database.transaction() as connection:
        known = versions.current(connection, index)
    return known is not None and known.code_version != code_version


def index_metadata(refreshed: Refreshed, entries: str) -> dict[str, Any]:
    """Metadata about an index."""
    return {
        "lists": refreshed.lists,
        entries: refreshed.entries,
        "removed": refreshed.removed,
        "added": refreshed.added,
        "changed": refreshed.changed,
    }


def product_entry(source: str, partition: str, product: Product, picture: bytes) -> Entry:
    """The entry that reports the files of a list of the kind `source`, with their picture.

    Every account may read Dagster: of a list that is not public it has only the number.
    """
    artefact = versions.Artefact(
        asset=FILES[source],
        partition=partition,
        data_version=product.version,
        code_version=product.code_version,
        inputs=(versions.Input(asset=source, partition=partition, data_version=product.revision),),
    )
    shown = inline_png(picture) if product.public else None
    mocs = product.mocs or list(product.contours.values())[-1:]
    metadata = {
        "name": product.name if product.public else "not public",
        "files": {name: len(content) for name, content in product.files.items()},
        "sky fraction": float(united(mocs).sky_fraction) if mocs else 0.0,
        **product.about,
        **({"footprint": shown} if shown is not None else {}),
    }
    return Entry(artefact, metadata=metadata)


def united(mocs: list[MOC]) -> MOC:
    """The union of one or more MOCs."""
    return mocs[0].union(*mocs[1:]) if len(mocs) > 1 else mocs[0]

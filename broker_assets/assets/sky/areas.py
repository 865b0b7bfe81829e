"""Areas of the sky: `area_index`, and `area` with one partition per area.

Only shells belong here. The index is built by the job `match_lists`, see `broker_assets.assets.sky.watchlists`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.assets.labels import ALL_SURVEYS, MATCH, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.reporter import Entry
from broker_assets.assets.sky.lists import AREAS as AREA_LISTS
from broker_assets.assets.sky.watchlists import RETRIES, index_metadata, made_by_other_code, product_entry, reporter
from broker_assets.automation import on_new_versions
from broker_assets.database.engine import connect
from broker_assets.partitions import areas
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sky.areas import AREA_INDEX_VERSION
from broker_assets.sky.in_force import AREAS
from broker_assets.sky.indices import refresh_area_index
from broker_assets.sky.pictures import footprint_png
from broker_assets.sky.products import PRODUCT_VERSION, area_product
from broker_assets.storage.published import publish


def build_area_assets(sky: Path) -> list[AssetsDefinition]:
    """The assets; `sky` is the folder of the indices."""

    @asset(
        group_name="sky",
        code_version=AREA_INDEX_VERSION,
        kinds={"numpy", "file"},
        deps=[AREA_LISTS, "active_lists"],
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="index", family="sky", store="files"),
        **about("The cells of all active areas, ordered by position. Only changed areas are read.", MATCH),
    )
    def area_index(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        rebuild = made_by_other_code(database, "area_index", AREA_INDEX_VERSION)
        with connect(database.url) as connection:
            refreshed = refresh_area_index(connection, sky / AREAS, rebuild=rebuild)
        artefact = versions.Artefact(
            asset="area_index", data_version=refreshed.version, code_version=AREA_INDEX_VERSION
        )
        yield from reporter(context, database).made(Entry(artefact, metadata=index_metadata(refreshed, "areas")))

    @asset(
        partitions_def=areas,
        deps=[AREA_LISTS],
        automation_condition=on_new_versions(),
        group_name="sky",
        code_version=PRODUCT_VERSION,
        kinds={"fits", "file"},
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="files", family="sky", store="files"),
        **about("MOC of an area (moc000.fits)."),
    )
    def area(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> Iterator[MaterializeResult[Any]]:
        identifier = int(context.partition_key)
        with connect(database.url, autocommit=True) as connection:
            product = area_product(connection, identifier)
        publish(object_store.path("areas", f"ar_{identifier}"), product.files, version=product.version,
                about=product.about)  # fmt: skip
        picture = footprint_png(product.mocs[0], title=product.name)
        yield from reporter(context, database).made(product_entry(AREA_LISTS, context.partition_key, product, picture))

    return [area_index, area]

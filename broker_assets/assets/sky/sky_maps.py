"""Sky maps of gravitational-wave events: `sky_map`, with one partition per event and version.

The job `read_notices` (`broker_assets.sensors.notices`) turns notices into rows; here the rows become files.
"""

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.assets.labels import ALL_SURVEYS, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.sky.lists import SKY_MAP_NOTICES
from broker_assets.assets.sky.watchlists import RETRIES, product_entry, reporter
from broker_assets.automation import on_new_versions
from broker_assets.database.engine import connect
from broker_assets.partitions import sky_maps
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sky.pictures import footprint_png
from broker_assets.sky.products import PRODUCT_VERSION, sky_map_product
from broker_assets.storage.published import publish


def build_sky_map_assets() -> list[AssetsDefinition]:
    """The asset."""

    @asset(
        partitions_def=sky_maps,
        deps=[SKY_MAP_NOTICES],
        automation_condition=on_new_versions(),
        group_name="sky",
        code_version=PRODUCT_VERSION,
        kinds={"fits", "file"},
        retry_policy=RETRIES,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="files", family="sky", store="files"),
        **about("Credible regions of an event's map from 10 to 90 per cent as MOCs (10.moc, …), and the map."),
    )
    def sky_map(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> Iterator[MaterializeResult[Any]]:
        key = context.partition_key
        with connect(database.url, autocommit=True) as connection:
            product = sky_map_product(connection, int(key.split("_", 1)[0]))
        publish(object_store.path("sky_maps", f"mw_{key.split('_', 1)[0]}"), product.files, version=product.version,
                about=product.about)  # fmt: skip
        shown = {level: product.contours[level] for level in (90, 50, 10)}
        picture = footprint_png(contours=shown, title=product.name)
        yield from reporter(context, database).made(product_entry(SKY_MAP_NOTICES, key, product, picture))

    return [sky_map]

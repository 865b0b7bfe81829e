"""Catalogues of objects with their light curves, for LSDB, TOPCAT and other tools for the whole sky."""

import datetime
import hashlib
from collections.abc import Iterator
from typing import Any, Final

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset
from upath import UPath

from broker_assets.assets.alerts.cold import NIGHT
from broker_assets.assets.labels import ALL_SURVEYS, STREAM_OPERATORS, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.cold.hats.collection import CODE_VERSION, remove_old, update
from broker_assets.cold.hats.rows import rows_of_night
from broker_assets.database.engine import connect
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.cold import Cold
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

ASSET: Final = "hats_catalogue"
_LOCK: Final = 0x68617473
"""Advisory lock of the catalogue: nights are written one after the other."""


def build_hats_asset(settings: Settings) -> AssetsDefinition:
    """The asset."""

    @asset(
        name=ASSET,
        partitions_def=nights,
        deps=[NIGHT],
        group_name="cold",
        code_version=CODE_VERSION,
        kinds={"parquet"},
        automation_condition=on_new_versions_after_the_night(),
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="published", family="alerts", store="files"),
        **about(
            "Objects with nested light curves and a margin in the layout of HATS. A night rewrites the tiles of the "
            "sky that contain its objects; the others are kept.",
        ),
    )
    def hats_catalogue(
        context: AssetExecutionContext, database: ResourceParam[Database], cold: ResourceParam[Cold]
    ) -> Iterator[MaterializeResult[Any]]:
        night, folder = context.partition_key, UPath(settings.hats)
        with connect(database.url, application="broker-assets hats", autocommit=True) as connection:
            known = versions.recorded(connection, [(NIGHT, night)])
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            rows = rows_of_night(cold.store(database), connection, datetime.date.fromisoformat(night))
            made = update(folder, rows, f"{night}-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S%f}")
            remove_old(folder, made)
        inputs = tuple(
            versions.Input(asset=NIGHT, partition=night, data_version=item.data_version) for item in known.values()
        )
        version = hashlib.sha256(repr(inputs).encode()).hexdigest()[:32]
        artefact = versions.Artefact(
            asset=ASSET, partition=night, data_version=version, code_version=CODE_VERSION, inputs=inputs
        )
        metadata = {
            "catalogue": str(folder / made.name),
            "dagster/row_count": rows.num_rows,
            "rows of the catalogue": made.total,
            "tiles": len(made.rows),
        }
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(artefact, metadata=metadata))

    made_asset: AssetsDefinition = hats_catalogue
    return made_asset

"""Statistics of light curves by night, outside the stream: `object_statistics`.

They are computed when a night is over, and again when its rows or the code change.
"""

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.assets.after_night import make_night
from broker_assets.assets.labels import ALL_SURVEYS, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.database.tables import object_statistics as table
from broker_assets.lightcurves.object_statistics import ASSET, compute_night, describe_night
from broker_assets.lightcurves.statistics import STATISTICS_VERSION
from broker_assets.partitions import nights
from broker_assets.resources.database import Database

PARENTS = ("sources", "forced_sources")


def build_statistics_asset() -> AssetsDefinition:
    """The asset."""

    @asset(
        name=ASSET,
        partitions_def=nights,
        deps=list(PARENTS),
        group_name="facts",
        code_version=STATISTICS_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_versions_after_the_night(),
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
        **about(
            "Statistics of the light curves, by band and over bands, of the objects that had an alert in the night, "
            "from the points stored for that night and earlier ones.",
            metadata=table_metadata(table),
        ),
    )
    def object_statistics(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        yield from make_night(
            context,
            database,
            ASSET,
            STATISTICS_VERSION,
            PARENTS,
            lambda connection, night: (compute_night(connection, night), describe_night(connection, night)),
        )

    made: AssetsDefinition = object_statistics
    return made

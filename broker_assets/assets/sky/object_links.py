"""Objects of different surveys that are the same source on the sky, linked when a night is over: `object_link`."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.accounting.facts import NightRows
from broker_assets.assets.after_night import make_night
from broker_assets.assets.labels import ALL_SURVEYS, SKY_LIST_CURATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.database.tables import object_link as table
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.sky.object_links import ASSET, describe_night, link_night, version


def build_link_asset(radius: float) -> AssetsDefinition:
    """The asset; links within `radius` arcseconds."""
    code_version = version(radius)

    @asset(
        name=ASSET,
        partitions_def=nights,
        deps=["objects"],
        group_name="sky",
        code_version=code_version,
        kinds={"postgres"},
        automation_condition=on_new_versions_after_the_night(),
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="hits", family="sky", store="postgres"),
        **about(
            f"Pairs of objects of different surveys within {radius:g} arcsec: one source on the sky. A night links the "
            "objects that had an alert in it, at their newest positions, with all others.",
            metadata=table_metadata(table),
        ),
    )
    def object_link(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        def linked(connection: psycopg.Connection[Any], night: str) -> tuple[NightRows, Mapping[str, Any]]:
            rows = link_night(connection, night, radius)
            return rows, {"radius (arcsec)": radius, **describe_night(connection, night)}

        yield from make_night(context, database, ASSET, code_version, ["objects"], linked)

    made: AssetsDefinition = object_link
    return made

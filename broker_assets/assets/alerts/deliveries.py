"""Messages to the sinks of filters, by night: `deliveries`.

Messages are sent by the stream and by the job `deliver`; a night is counted when it is over, and again when its matches
change.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.accounting.facts import NightRows
from broker_assets.assets.after_night import make_night
from broker_assets.assets.labels import ALL_SURVEYS, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.database.tables import deliveries as table
from broker_assets.delivery.night import count_night
from broker_assets.partitions import nights
from broker_assets.resources.database import Database

ASSET = "deliveries"
DELIVERIES_VERSION = "1"


def build_deliveries_asset(parents: Sequence[str]) -> AssetsDefinition:
    """The asset; `parents` are the assets by night whose matches are sent."""

    @asset(
        name=ASSET,
        partitions_def=nights,
        deps=list(parents),
        group_name="delivery",
        code_version=DELIVERIES_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_versions_after_the_night(),
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
        **about(
            "Messages to the sinks of filters about alerts of the night, and what became of them.",
            metadata=table_metadata(table),
        ),
    )
    def deliveries(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        yield from make_night(context, database, ASSET, DELIVERIES_VERSION, parents, _counted)

    made: AssetsDefinition = deliveries
    return made


def _counted(connection: psycopg.Connection[Any], night: str) -> tuple[NightRows, Mapping[str, Any]]:
    rows, objects, checksum, states = count_night(connection, night)
    return NightRows(objects, rows, checksum), states

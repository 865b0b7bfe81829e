"""Root objects, which every object of the broker gets soon after its first alert; and reassigned sources."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from broker_assets.accounting.facts import NightRows
from broker_assets.assets.after_night import make_night
from broker_assets.assets.labels import ALL_SURVEYS, PLACING, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.database.engine import connect
from broker_assets.database.tables.tom import reassigned_sources as reassigned_table
from broker_assets.database.tables.tom import root_diaobject
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.tom.versions.roots import ROOTS_VERSION, follow_sources, place_new, reassigned_of, roots_checksum

ROOTS: Final = "root_objects"
REASSIGNED: Final = "reassigned_sources"


def build_root_assets() -> list[AssetsDefinition]:
    """The assets."""
    return [_roots(), _reassigned()]


def _roots() -> AssetsDefinition:
    @asset(
        name=ROOTS,
        deps=["objects"],
        group_name="tom",
        kinds={"postgres"},
        code_version=ROOTS_VERSION,
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
        **about(
            "Places on the sky above the identifiers of surveys: objects of a survey within one arcsecond share one. A "
            "run gives one to every object that has none.",
            PLACING,
            table_metadata(root_diaobject),
        ),
    )
    def root_objects(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, application="broker-assets roots", autocommit=True) as connection:
            placed = place_new(connection)
            made = roots_checksum(connection)
        artefact = versions.Artefact(
            asset=ROOTS, partition="", data_version=made.data_version, code_version=ROOTS_VERSION, inputs=()
        )
        metadata = {
            "dagster/row_count": made.rows, "objects": made.objects, "new objects": placed.objects,
            "new root objects": placed.roots,
        }  # fmt: skip
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(artefact, metadata=metadata))

    return root_objects  # type: ignore[no-any-return]


def _reassigned() -> AssetsDefinition:
    @asset(
        name=REASSIGNED,
        partitions_def=nights,
        deps=["sources"],
        group_name="tom",
        kinds={"postgres"},
        code_version=ROOTS_VERSION,
        automation_condition=on_new_versions_after_the_night(),
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
        **about(
            "Sources that alerts of the night assign to a different object than earlier alerts did, with that "
            "object; light curves of root objects are updated accordingly.",
            metadata=table_metadata(reassigned_table),
        ),
    )
    def reassigned_sources(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        def followed(connection: psycopg.Connection[Any], night: str) -> tuple[NightRows, Mapping[str, Any]]:
            changed = follow_sources(connection, night)
            return reassigned_of(connection, night), {"changed": changed}

        yield from make_night(context, database, REASSIGNED, ROOTS_VERSION, ["sources"], followed)

    return reassigned_sources  # type: ignore[no-any-return]

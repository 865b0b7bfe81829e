"""The catalogues with which the objects of alerts are associated: `catalogues`, one partition per catalogue.

They are not built here but observed: `broker-assets catalogues add` loads them, and the data version of a partition is
that of the catalogue, a hash of its content and of its mapping. The sensor `catalogues` records what has changed,
without a run; observing a partition by hand does the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    ObserveResult,
    ResourceParam,
    multi_observable_source_asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, CATALOGUE_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import shown
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.context.loading import CatalogueError
from broker_assets.context.object_context import CATALOGUES
from broker_assets.context.pictures import sky_png
from broker_assets.context.store import CatalogueStore
from broker_assets.partitions import catalogues as partitions
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

FILES: Final = "catalogue_files"
"""Asset of the files from which they are loaded."""


def entry(store: CatalogueStore, name: str) -> Entry:
    """The entry that reports a catalogue.

    Raises
    ------
    CatalogueError
        If there is no catalogue with this name.
    """
    stored = store.get(name)
    artefact = versions.Artefact(asset=CATALOGUES, partition=name, data_version=stored.version)

    def metadata() -> dict[str, Any]:
        opened = store.open(name)
        known = ", ".join(column for column, number in opened.known().items() if number)
        return shown(
            {
                "sources": stored.rows,
                "dagster/row_count": stored.rows,
                "rows without a position, left out": stored.left_out,
                "bytes": stored.bytes,
                "loaded from": stored.source,
                "columns": known,
                "plot": sky_png(opened.density()),
            }
        )

    return Entry(artefact, f"{stored.rows:,} sources from {stored.source}", metadata)


def build_catalogues(folder: Path) -> list[AssetsDefinition | AssetSpec]:
    """The assets; `folder` has the catalogues."""
    spec = AssetSpec(
        CATALOGUES,
        deps=[FILES],
        group_name="facts",
        kinds={"file"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="input", family="alerts", store="files"),
        **about(
            "Catalogues that the objects of alerts are associated with, one partition per catalogue. The data version "
            "is a hash of its content. A new one makes the facts of objects near changed sources stale.",
            CATALOGUE_OBSERVER,
        ),
    )
    files = AssetSpec(
        FILES,
        group_name="facts",
        kinds={"file"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="input", family="alerts", store="files"),
        **about(
            "Files that catalogues are loaded from by `broker-assets catalogues add` and `catalogues default`.",
            CATALOGUE_OBSERVER,
        ),
    )

    @multi_observable_source_asset(name="observe_catalogues", specs=[spec], partitions_def=partitions)
    def observe(context: AssetExecutionContext, database: ResourceParam[Database]) -> Iterator[ObserveResult]:
        try:
            found = entry(CatalogueStore(folder), context.partition_key)
        except CatalogueError as error:
            raise Failure(str(error), allow_retries=False) from error
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).seen(found)

    return [files, observe]

"""The Transient Name Server: the table of its objects, built from its bulk files.

The assets are `crossmatch_tns`, and `tns_snapshot`, its files for other nodes. The watchlist of TNS is matched like
any other (`broker_assets.assets.sky.watchlists`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Config,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)
from pydantic import Field

from broker_assets.assets.labels import ALL_SURVEYS, FETCH_TNS, SKY_LIST_CURATORS, TNS_OBSERVER, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.automation import on_new_versions
from broker_assets.database.engine import connect
from broker_assets.database.tables import crossmatch_tns as table
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.tns import Tns
from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.tns.bulk import TNS_VERSION
from broker_assets.tns.cadence import DueFile, applied_files, catch_up, due_files, files_version
from broker_assets.tns.client import bulk_name
from broker_assets.tns.refresh import stored_checksum
from broker_assets.tns.snapshots import SNAPSHOT_VERSION, write_snapshot

ASSET = "crossmatch_tns"
BULK_FILES = "tns_bulk_files"
SNAPSHOT = "tns_snapshot"


class TnsConfig(Config):
    """Selects the files that are fetched."""

    full: bool = Field(default=False, description="fetch the full file, whether it is due or not")


def bulk_files_entries(connection: psycopg.Connection[Any]) -> list[Entry]:
    """Observations of the bulk files: none before the first was fetched.

    TNS limits requests, so it is not asked for versions: a file becomes known when it has been fetched and applied.
    """
    version = files_version(connection)
    if version is None:
        return []
    newest = max(applied_files(connection), key=lambda file: (file.covers_until, file.applied_at))
    artefact = versions.Artefact(asset=BULK_FILES, data_version=version)
    return [Entry(artefact, description=f"{newest.name}, until {newest.covers_until:%Y-%m-%d %H:%M} UTC")]


PROMISE = FreshnessPolicy.time_window(fail_window=timedelta(hours=4), warn_window=timedelta(hours=3))
"""TNS publishes a file of changes every hour."""


def build_tns_assets(limits: InputLimits = LIMITS, *, promised: bool = False) -> list[AssetsDefinition | AssetSpec]:
    """The assets of the table and of its files, and the files of TNS, which are external.

    `promised` says whether the table has a freshness policy, which requires a TNS key.
    """
    bulk_files = AssetSpec(
        BULK_FILES,
        group_name="sky",
        kinds={"csv"},
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="raw", family="tns", store="files"),
        **about(
            "Bulk files of the Transient Name Server: a complete one each day, and the changes of each hour.",
            TNS_OBSERVER,
        ),
    )

    @asset(
        name=ASSET,
        deps=[bulk_files],
        group_name="sky",
        code_version=TNS_VERSION,
        kinds={"postgres", "csv"},
        freshness_policy=PROMISE if promised else None,
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="rows", family="tns", store="postgres"),
        **about(
            "Objects of the Transient Name Server. Materialising it fetches the bulk files that are due and applies "
            "the differences, each file in one transaction.",
            FETCH_TNS,
            table_metadata(table),
        ),
    )
    def crossmatch_tns(
        context: AssetExecutionContext, config: TnsConfig, database: ResourceParam[Database], tns: ResourceParam[Tns]
    ) -> Iterator[MaterializeResult[Any]]:
        now = datetime.now(UTC)
        with connect(database.url, autocommit=True) as connection, tns.client() as client:
            due = due_files(applied_files(connection), now)
            if config.full and all(file.kind != "full" for file in due):
                midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
                due.insert(0, DueFile(bulk_name(), "full", midnight))
            done = catch_up(connection, client, due, limits=limits)
            rows, version = stored_checksum(connection)
            files = bulk_files_entries(connection)
        for name, reason in done.damaged.items():
            context.log.warning(f"{name} was not applied: {reason}")
        if done.damaged and not done.refreshes:
            raise Failure("no file of TNS could be read", {"damaged": done.damaged})
        refreshes = done.refreshes.values()
        metadata = {
            "dagster/row_count": rows,
            "files applied": list(done.refreshes),
            "files not there yet": list(done.missing),
            "files damaged": done.damaged,
            **{
                name: sum(getattr(refresh, name) for refresh in refreshes)
                for name in ("new", "changed", "moved", "renamed", "deleted", "cones_changed", "quarantined")
            },
        }
        uses = tuple(
            versions.Input(asset=entry.artefact.asset, data_version=entry.artefact.data_version) for entry in files
        )
        made = versions.Artefact(asset=ASSET, data_version=version, code_version=TNS_VERSION, inputs=uses)
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        reporter.send(reporter.observe(files))
        # Dagster read the versions of the parents before the step, which has fetched newer files.
        context.get_step_execution_context().fetch_external_input_asset_version_info()
        yield from reporter.made(Entry(made, metadata=metadata))

    @asset(
        name=SNAPSHOT,
        deps=[ASSET],
        group_name="sky",
        code_version=SNAPSHOT_VERSION,
        kinds={"parquet", "csv"},
        automation_condition=on_new_versions(),
        **labels(SKY_LIST_CURATORS, survey=ALL_SURVEYS, level="files", family="tns", store="files"),
        **about(
            "The table as versioned files with checksums and a pointer to the current version, for nodes that keep a "
            "copy (`broker-assets snapshots install`)."
        ),
    )
    def tns_snapshot(
        context: AssetExecutionContext, database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]
    ) -> Iterator[MaterializeResult[Any]]:
        folder = object_store.path("snapshots")
        with database.transaction() as connection:
            written = write_snapshot(connection, table, folder)
            made_from = versions.data_versions(connection, ASSET, [""]).get("")
        made = versions.Artefact(
            asset=SNAPSHOT,
            data_version=written.version,
            code_version=SNAPSHOT_VERSION,
            inputs=() if made_from is None else (versions.Input(asset=ASSET, data_version=made_from),),
        )
        metadata = {
            "dagster/row_count": written.rows,
            "folder": MetadataValue.path(str(folder / table.name)),
            "new version": written.changed,
        }
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(made, metadata=metadata))

    return [bulk_files, crossmatch_tns, tns_snapshot]

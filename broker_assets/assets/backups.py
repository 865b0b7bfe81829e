"""Backups as assets: users' data and the list of the object store every night, the database server every week.

A backup holds the content at the time when it is made, and is never stale. Its version is the hash of its manifest.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, ARCHIVE_MANAGERS, NIGHTLY_BACKUP, WEEKLY_BACKUP, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.backups.manifest import Kind
from broker_assets.backups.shelf import Backup
from broker_assets.provenance import versions
from broker_assets.resources.backups import Backups
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

USERS = "users_data_backup"
DATABASE = "database_backup"
OBJECTS = "object_store_inventory"
CODE_VERSION = "1"
GROUP = "backups"

SAVED: dict[Kind, list[str]] = {
    "users": ["active_lists", "filters", "annotations"],
    "database": ["sources", "objects"],
    "objects": ["packet_archive"],
}
"""Assets below which backups are shown in the graph."""

DAILY = FreshnessPolicy.time_window(fail_window=timedelta(hours=30), warn_window=timedelta(hours=26))
WEEKLY = FreshnessPolicy.time_window(fail_window=timedelta(days=9), warn_window=timedelta(days=8))


def build_backup_assets(settings: Settings) -> list[AssetsDefinition]:
    """The assets."""
    days, weeks = settings.backup.keep_days, settings.backup.keep_weeks
    return [
        _asset(
            USERS,
            "users",
            about(
                "What users made (accounts, lists, filters, annotations, taxonomy, targets) in one snapshot: a logical "
                f"backup, kept for {days} days.",
                NIGHTLY_BACKUP,
            ),
            DAILY,
        ),
        _asset(
            DATABASE,
            "database",
            about(
                "A base backup: the files of the whole database server, from which the write-ahead log is replayed. "
                f"Kept for {weeks} weeks.",
                WEEKLY_BACKUP,
            ),
            WEEKLY,
        ),
        _asset(
            OBJECTS,
            "objects",
            about(
                "The files of the object store with their sizes, and the checksums in the ledger: what must be "
                f"present after a restore. Kept for {days} days.",
                NIGHTLY_BACKUP,
            ),
            DAILY,
        ),
    ]


def _asset(name: str, kind: Kind, described: dict[str, Any], promise: FreshnessPolicy) -> AssetsDefinition:
    @asset(
        name=name,
        deps=SAVED[kind],
        group_name=GROUP,
        code_version=CODE_VERSION,
        kinds={"file"},
        freshness_policy=promise,
        **labels(ARCHIVE_MANAGERS, survey=ALL_SURVEYS, level="files", family="backups", store="files"),
        **described,
    )
    def made(
        context: AssetExecutionContext, database: ResourceParam[Database], backups: ResourceParam[Backups]
    ) -> Iterator[MaterializeResult[Any]]:
        entry = backup_entry(name, backups.make(kind))
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)

    definition: AssetsDefinition = made
    return definition


def backup_entry(name: str, backup: Backup) -> Entry:
    """The version of a backup, and its metadata."""
    manifest = backup.manifest
    if manifest is None:
        raise ValueError(f"{backup.name} is damaged: {backup.damage}")
    shown: dict[str, Any] = {
        "path": MetadataValue.path(str(backup.path)),
        "bytes": manifest.size,
        "seconds": round((manifest.ended - manifest.begun).total_seconds(), 1),
    }
    if manifest.tables:
        shown["dagster/row_count"] = sum(content.rows for content in manifest.tables.values())
        shown["rows"] = MetadataValue.json({table: content.rows for table, content in manifest.tables.items()})
    if manifest.ledger is not None:
        shown["messages in the ledger"] = manifest.ledger.received
    if manifest.log is not None:
        shown["write-ahead log from"] = manifest.log.first
    if manifest.kind == "objects":
        shown |= {"files in the store": manifest.objects, "bytes in the store": manifest.bytes}
    digest = hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:32]
    artefact = versions.Artefact(asset=name, partition="", data_version=digest, code_version=CODE_VERSION)
    return Entry(artefact, metadata=shown)

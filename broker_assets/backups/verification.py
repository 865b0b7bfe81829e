"""Checks whether backups can be restored: restores the newest of each kind into a temporary server and compares it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from broker_assets.backups.log import SLOT, SLOT_QUERY, gaps, segments, slot_state
from broker_assets.backups.programs import Programs
from broker_assets.backups.recovery import recovered
from broker_assets.backups.scratch import empty_server, scratch_folder
from broker_assets.backups.shelf import Shelf
from broker_assets.backups.users_data import restore_users_data
from broker_assets.database.engine import connect


@dataclass(frozen=True)
class Verified:
    """A backup that was restored and compared."""

    name: str
    begun: datetime.datetime
    tables: int = 0
    rows: int = 0
    messages: int = 0
    """Messages in the ledger of the restored server."""
    segments: int = 0
    """Number of segments of the write-ahead log that were replayed."""


def verify_users_data(shelf: Shelf, programs: Programs, scratch: Path | None = None) -> Verified:
    """Restore the newest backup of users' data into an empty server, and compare rows and checksums of each table.

    Raises
    ------
    BackupError
        If there is none, it is damaged, or the restored tables differ.
    """
    backup = shelf.newest("users")
    with empty_server(programs, scratch) as server:
        found = restore_users_data(shelf, backup, server.url())
    assert backup.manifest is not None  # noqa: S101 - the newest usable one has a manifest
    rows = sum(content.rows for content in found.values())
    return Verified(backup.name, backup.manifest.begun, tables=len(found), rows=rows)


def verify_base(shelf: Shelf, programs: Programs, scratch: Path | None = None) -> Verified:
    """Start a server on the newest base backup, replay the write-ahead log to its end, and compare the ledger.

    Raises
    ------
    BackupError
        If there is none, it or the log is damaged, or the ledger lacks earlier entries.
    """
    backup = shelf.newest("database")
    assert backup.manifest is not None  # noqa: S101 - the newest usable one has a manifest
    database = backup.manifest.database
    with (
        scratch_folder(scratch) as (place, user),
        recovered(shelf, backup, programs, place, user, database=database) as (_, found),
    ):
        messages = found.ledger.received if found.ledger is not None else 0
        return Verified(backup.name, backup.manifest.begun, messages=messages, segments=found.segments)


def log_troubles(shelf: Shelf, url: str) -> list[str]:
    """Problems of the kept write-ahead log; none if no log is kept."""
    kept = segments(shelf.log)
    with connect(url, application="broker-assets backup", read_only=True) as connection:
        rows = connection.execute(SLOT_QUERY, (SLOT,)).fetchall()
    if not kept and not rows:
        return []
    troubles = [f"segments between {a} and {b} are missing" for a, b in gaps(shelf.log)]
    slot = slot_state([(bool(a), b, c) for a, b, c in rows])
    return troubles + ([slot] if slot else [])

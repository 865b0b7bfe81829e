"""A copy of the local archive in another store, under the same names and paths.

Only differences are copied: a file is unchanged when its checksum is that of the receipt and the store lists it with
the same size; `verify` reads everything back instead. Nothing is removed unless requested.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from pydantic import BaseModel, Field

from broker_assets.publication import history
from broker_assets.publication.targets import DeliveryFailed, Target, TargetAway, sha256_of

logger = logging.getLogger(__name__)

PATTERNS = ("solo_*.fits", "solo_*.svg")
"""Files of the archive; the names of unfinished files begin with a dot."""


class MirrorReport(BaseModel):
    """Result of a sync."""

    run_id: str
    """Identifier of the run."""
    target: str
    """Store."""
    dry_run: bool = False
    """Whether nothing was written."""
    copied: list[str] = Field(default_factory=list)
    """Paths that were new or different."""
    unchanged: int = 0
    """Number of unchanged files."""
    removed: list[str] = Field(default_factory=list)
    """Paths that do not exist locally and were removed."""
    surplus: list[str] = Field(default_factory=list)
    """Paths that do not exist locally and were kept."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Paths that could not be copied, and why."""
    failure: str | None = None
    """Why the sync ended early."""


def archive_files(folder: Path) -> list[Path]:
    """Product files of the archive in the order of their paths."""
    return sorted(path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file())


def sync(
    connection: psycopg.Connection[Any],
    folder: Path,
    target: Target,
    *,
    files: Iterable[Path] | None = None,
    run_id: str | None = None,
    remove: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    notify: Callable[[str], None] | None = None,
) -> MirrorReport:
    """Update a store from the local archive.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that is not within a transaction; each file is committed.
    folder : Path
        The local archive.
    target : Target
    files : iterable of Path, optional
        Only these files of the archive; default: all, in which case surplus files are detected too.
    run_id : str, optional
    remove : bool
        Remove from the store what does not exist locally, but only files that a sync copied there.
    verify : bool
        Read every file back instead of trusting receipts and sizes.
    dry_run : bool
    notify : function, optional
        Called with each path that is copied or removed.

    Returns
    -------
    MirrorReport

    Raises
    ------
    ValueError
        If the connection is within a transaction, or `remove` is combined with `files`.

    Notes
    -----
    An unavailable target, or one within the archive, ends the sync; the report says why (`failure`).
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ValueError("the connection is within a transaction; each file must be committed separately")
    if remove and files is not None:
        raise ValueError("surplus files can only be determined for the whole archive")
    run_id = run_id or uuid.uuid4().hex
    report = MirrorReport(run_id=run_id, target=target.name, dry_run=dry_run)
    ours = {path.relative_to(folder).as_posix(): path for path in (archive_files(folder) if files is None else files)}
    if not dry_run:
        history.begin_run(connection, run_id, target.name)
    try:
        target.refuse_inside(folder)
        if remove and not ours:
            # A disk that is not mounted looks like an archive without files.
            raise TargetAway(f"{folder} has no product files: nothing is removed from {target.name}")
        target.check()
        # Only one sync of a store at a time: two would see each other's files as missing.
        with history.locked(connection, target.name, ""):
            _sync(connection, ours, target, report, whole=files is None, remove=remove, verify=verify, notify=notify)
    except TargetAway as error:
        report.failure = str(error)
        logger.error("%s", error)
    finally:
        if not dry_run and not connection.closed:
            counts = {"copied": len(report.copied), "failed": len(report.failed), "removed": len(report.removed)}
            history.end_run(connection, run_id, target.name, counts, report.failure)
    return report


def _sync(
    connection: psycopg.Connection[Any],
    ours: dict[str, Path],
    target: Target,
    report: MirrorReport,
    *,
    whole: bool,
    remove: bool,
    verify: bool,
    notify: Callable[[str], None] | None,
) -> None:
    known = _known(connection, target.name)
    there = target.sizes()
    for relative, path in ours.items():
        try:
            sha256, size = sha256_of(path), path.stat().st_size
            if there.get(relative) == size and (
                target.sha256(relative) == sha256 if verify else known.get(relative) == sha256
            ):
                report.unchanged += 1
                if known.get(relative) != sha256 and not report.dry_run:
                    _remember(connection, target.name, relative, sha256, size, report.run_id)
                continue
            if not report.dry_run:
                target.deliver(relative, path, sha256)
                _remember(connection, target.name, relative, sha256, size, report.run_id)
        except TargetAway:
            raise
        except (DeliveryFailed, OSError) as error:
            report.failed[relative] = str(error)
            continue
        report.copied.append(relative)
        if notify is not None:
            notify(relative)
    if not whole:
        return
    for relative in sorted(set(there) - set(ours)):
        # Other files in the same place must not be removed.
        if not remove or relative not in known:
            report.surplus.append(relative)
            continue
        if not report.dry_run:
            target.remove(relative)
            _forget(connection, target.name, relative)
        report.removed.append(relative)
        if notify is not None:
            notify(relative)


def _known(connection: psycopg.Connection[Any], target: str) -> dict[str, str]:
    with connection.transaction():
        rows = connection.execute("SELECT path, sha256 FROM publication_mirror WHERE target = %s", (target,)).fetchall()
    return dict(rows)


def _remember(connection: psycopg.Connection[Any], target: str, path: str, sha256: str, size: int, run_id: str) -> None:
    with connection.transaction():
        connection.execute(
            "INSERT INTO publication_mirror (target, path, sha256, size, run_id) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (target, path) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size,"
            " run_id = excluded.run_id, verified_at = now()",
            (target, path, sha256, size, run_id),
        )


def _forget(connection: psycopg.Connection[Any], target: str, path: str) -> None:
    with connection.transaction():
        connection.execute("DELETE FROM publication_mirror WHERE target = %s AND path = %s", (target, path))

"""The indices of all active lists, updated from the database: only what changed is read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psycopg
from psycopg import sql

from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.areas import AreaIndex, build_area_index, update_area_index
from broker_assets.sky.changes import BEFORE_ALL, area_changes, cone_changes, index_of_rows
from broker_assets.sky.cones import ConeIndex, build_cone_index, update_cone_index
from broker_assets.sky.store import (
    DamagedIndex,
    current_state,
    current_version,
    read_area_index,
    read_cone_index,
    remove_old_versions,
    write_area_index,
    write_cone_index,
)

_Index = TypeVar("_Index", ConeIndex, AreaIndex)


@dataclass(frozen=True)
class Refreshed:
    """Result of an index refresh."""

    version: str
    """The current version."""
    changed: bool
    """Whether it has changed."""
    lists: int
    """Lists in the index."""
    entries: int
    """Cones or areas in the index."""
    removed: int
    """Entries that were removed."""
    added: int
    """Entries that were added."""


def refresh_cone_index(connection: psycopg.Connection[Any], folder: Path, *, rebuild: bool = False) -> Refreshed:
    """Update the cone index in `folder` from the database.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction.
    folder : Path
        Folder with the versions of the index; see `write_cone_index`.
    rebuild : bool
        Read every cone again instead of only the changes.

    Returns
    -------
    Refreshed

    Notes
    -----
    Only one process builds at a time (advisory lock); all reads see one snapshot of the database. Changes since the
    number of the current index are found through database indexes.
    """
    with _snapshot(connection, "cone index"):
        revision = current_revision(connection)
        before, known = _known(folder, rebuild, build_cone_index([], [], []), read_cone_index)
        changes = cone_changes(connection, known, revision)
        removed = np.isin(before.watchlist, changes.removed_lists) | np.isin(before.cone, changes.removed_cones)
        added = index_of_rows(changes.added)
        index = update_cone_index(before, removed=removed, added=added)
        previous = current_version(folder)
        version = write_cone_index(folder, index, state={"revision": revision})
        remove_old_versions(folder)
        lists = _matched_lists(connection, "watchlist_periods")
    return Refreshed(version, version != previous, lists, len(index), int(removed.sum()), len(added))


def refresh_area_index(connection: psycopg.Connection[Any], folder: Path, *, rebuild: bool = False) -> Refreshed:
    """Update the area index in `folder` from the database; see `refresh_cone_index`."""
    with _snapshot(connection, "area index"):
        revision = current_revision(connection)
        before, known = _known(folder, rebuild, build_area_index({}), read_area_index)
        changes = area_changes(connection, known, revision)
        index = update_area_index(before, removed=set(changes.removed.tolist()), added=changes.added)
        previous = current_version(folder)
        version = write_area_index(folder, index, state={"revision": revision})
        remove_old_versions(folder)
        lists = _matched_lists(connection, "area_periods")
    return Refreshed(version, version != previous, lists, len(index), len(changes.removed), len(changes.added))


def _matched_lists(connection: psycopg.Connection[Any], periods: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE revision_to IS NULL").format(sql.Identifier(periods))
    ).fetchone()
    return int(row[0]) if row else 0


def outdated(connection: psycopg.Connection[Any], cones: Path, areas: Path) -> list[str]:
    """How the lists differ from the current indices, as text; only changes since those are counted.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    cones, areas : Path
        Folders of the cone index and of the area index.
    """
    reasons: list[str] = []
    for what, folder, changed in (("watchlists", cones, _CHANGED_WATCHLISTS), ("areas", areas, _CHANGED_AREAS)):
        known = current_state(folder).get("revision", BEFORE_ALL) if current_version(folder) is not None else BEFORE_ALL
        row = connection.execute(changed, {"known": known}).fetchone()
        if row and row[0]:
            reasons.append(f"no index of {row[0]} {what}" if known == BEFORE_ALL else f"{row[0]} {what} changed")
    return reasons


_CHANGED_WATCHLISTS = """
SELECT count(*) FROM (
    SELECT wl_id FROM watchlist_periods WHERE revision_from > %(known)s AND revision_to IS NULL
    UNION SELECT wl_id FROM watchlist_periods WHERE revision_to > %(known)s AND revision_from <= %(known)s
    UNION SELECT wl_id FROM watchlist_cones JOIN watchlist_periods AS period USING (wl_id)
     WHERE watchlist_cones.revision_from > %(known)s AND period.revision_to IS NULL
    UNION SELECT wl_id FROM watchlist_cone_gone JOIN watchlist_periods AS period USING (wl_id)
     WHERE watchlist_cone_gone.revision_to > %(known)s AND watchlist_cone_gone.revision_from <= %(known)s
       AND period.revision_to IS NULL
) AS changed
"""
_CHANGED_AREAS = """
SELECT count(*) FROM (
    SELECT ar_id FROM area_periods WHERE revision_from > %(known)s AND revision_to IS NULL
    UNION SELECT ar_id FROM area_periods WHERE revision_to > %(known)s AND revision_from <= %(known)s
) AS changed
"""
"""Lists whose cones or cells now differ from those at the known number."""


@contextmanager
def _snapshot(connection: psycopg.Connection[Any], what: str) -> Iterator[None]:
    """Only one builder at a time, with one snapshot of the database for everything it reads."""
    lock = f"broker_assets.sky {what}"
    connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
    connection.commit()  # the snapshot must not be older than the lock
    try:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (lock,))
        connection.commit()


def _known(folder: Path, rebuild: bool, empty: _Index, read: Callable[[Path], _Index]) -> tuple[_Index, int]:
    """The current index and its revision; the empty one if it is missing, damaged or of another format."""
    revision = None if rebuild else current_state(folder).get("revision")
    if revision is None:
        return empty, BEFORE_ALL
    try:
        return read(folder), int(revision)
    except DamagedIndex:
        return empty, BEFORE_ALL

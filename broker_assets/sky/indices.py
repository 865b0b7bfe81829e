"""The indices of all active lists, brought up to date from the database: only what changed is read again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from mocpy import MOC
from psycopg import sql

from broker_assets.database import fetch
from broker_assets.sky.areas import AreaIndex, build_area_index, update_area_index
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

CONE_COLUMNS = pa.schema(
    [
        ("wl_id", pa.int64()),
        ("cone_id", pa.int64()),
        ("ra", pa.float64()),
        ("decl", pa.float64()),
        ("radius", pa.float64()),
        ("name", pa.string()),
    ]
)
ACTIVE = "active AND (date_expire IS NULL OR date_expire > now())"
"""Condition of a list that is matched."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh of an index did."""

    version: str
    """The version now in force."""
    changed: bool
    """Whether it is another one than before."""
    lists: int
    """Lists in the index."""
    entries: int
    """Cones or areas in the index."""
    removed: int
    """Entries that went."""
    added: int
    """Entries that came."""


def refresh_cone_index(connection: psycopg.Connection[Any], folder: Path, *, rebuild: bool = False) -> Refreshed:
    """Bring the cone index in `folder` up to the database.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction.
    folder : Path
        Where the versions of the index are; see `write_cone_index`.
    rebuild : bool
        Read every cone again instead of the changes.

    Returns
    -------
    Refreshed

    Notes
    -----
    One process at a time builds (advisory lock); the database is read as of one moment. The ids of a list's cones rise
    in the order of its changes, since each change locks the list, so new cones are those above the largest id known.
    """
    with _snapshot(connection, "cone index"):
        active = {
            row[0]: (row[1], row[2], row[3])
            for row in connection.execute(
                f"SELECT wl_id, revision, whole_revision, radius FROM watchlists WHERE {ACTIVE}"  # noqa: S608
            )
        }
        before, known = _known_cones(folder, rebuild)
        whole = [
            watchlist
            for watchlist, (_, whole_revision, _) in active.items()
            if watchlist not in known or whole_revision > known[watchlist][0]
        ]
        partly = [
            watchlist
            for watchlist, (revision, _, _) in active.items()
            if watchlist not in whole and revision > known[watchlist][0]
        ]
        gone = [watchlist for watchlist in known if watchlist not in active]
        deleted = connection.execute(
            "SELECT gone.cone_id FROM watchlist_cone_gone AS gone JOIN unnest(%s::bigint[], %s::bigint[])"
            " AS known (wl_id, revision) ON known.wl_id = gone.wl_id WHERE gone.revision > known.revision",
            (partly, [known[watchlist][0] for watchlist in partly]),
        ).fetchall()
        rows = cone_rows(
            connection,
            sql.SQL(
                " JOIN unnest({ids}::bigint[], {above}::bigint[]) AS wanted (wl_id, above) ON wanted.wl_id = cone.wl_id"
                " WHERE cone_id > wanted.above ORDER BY cone.wl_id, cone_id"
            ).format(
                ids=sql.Literal(whole + partly),
                above=sql.Literal([0] * len(whole) + [known[watchlist][1] for watchlist in partly]),
            ),
        )
        removed = np.isin(before.watchlist, np.array(gone + whole, np.int64))
        removed |= np.isin(before.cone, np.array([row[0] for row in deleted], np.int64))
        added = index_of_rows(rows)
        index = update_cone_index(before, removed=removed, added=added)
        largest = _largest_cones(rows)
        state = {
            str(watchlist): [revision, max(largest.get(watchlist, 0), known.get(watchlist, (0, 0))[1])]
            for watchlist, (revision, _, _) in active.items()
        }
        previous = current_version(folder)
        version = write_cone_index(folder, index, state={"watchlists": state})
        remove_old_versions(folder)
    return Refreshed(version, version != previous, len(active), len(index), int(removed.sum()), len(added))


def refresh_area_index(connection: psycopg.Connection[Any], folder: Path, *, rebuild: bool = False) -> Refreshed:
    """Bring the area index in `folder` up to the database; see `refresh_cone_index`."""
    with _snapshot(connection, "area index"):
        active = dict(
            connection.execute(
                f"SELECT ar_id, moc_version FROM areas WHERE {ACTIVE}"  # noqa: S608
            ).fetchall()
        )
        before = _known_areas(folder, rebuild)
        known = dict(zip(before.area.tolist(), before.content, strict=True))
        removed = {area for area in known if area not in active}
        wanted = [area for area, version in active.items() if known.get(area) != version]
        mocs = {
            area: MOC.from_fits(io.BytesIO(content))
            for area, content in connection.execute("SELECT ar_id, moc FROM areas WHERE ar_id = ANY(%s)", (wanted,))
        }
        index = update_area_index(before, removed=removed, added=mocs)
        previous = current_version(folder)
        version = write_area_index(folder, index, state={"areas": {str(area): known for area, known in active.items()}})
        remove_old_versions(folder)
    return Refreshed(version, version != previous, len(active), len(index), len(removed), len(mocs))


def outdated(connection: psycopg.Connection[Any], cones: Path, areas: Path) -> list[str]:
    """What differs between the lists and the indices in force, in words; nothing is read but the revisions.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    cones, areas : Path
        Folders of the cone index and of the area index.
    """
    reasons: list[str] = []
    for what, folder, statement in (
        ("watchlists", cones, f"SELECT wl_id, revision FROM watchlists WHERE {ACTIVE}"),  # noqa: S608
        ("areas", areas, f"SELECT ar_id, moc_version FROM areas WHERE {ACTIVE}"),  # noqa: S608
    ):
        active = {str(row[0]): row[1] for row in connection.execute(statement)}
        if current_version(folder) is None:
            if active:
                reasons.append(f"no index of {len(active)} {what}")
            continue
        state = current_state(folder).get(what, {})
        known = {key: value[0] if isinstance(value, list) else value for key, value in state.items()}
        changed = {key for key in active.keys() | known.keys() if active.get(key) != known.get(key)}
        if changed:
            reasons.append(f"{len(changed)} {what} changed")
    return reasons


@contextmanager
def _snapshot(connection: psycopg.Connection[Any], what: str) -> Iterator[None]:
    """One builder at a time, and one moment of the database for all that it reads."""
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


def _known_cones(folder: Path, rebuild: bool) -> tuple[ConeIndex, dict[int, tuple[int, int]]]:
    """The index in force, and the revision and largest cone of each list; empty where it is missing or damaged."""
    empty = build_cone_index([], [], [])
    if rebuild or current_version(folder) is None:
        return empty, {}
    try:
        index = read_cone_index(folder)
    except DamagedIndex:
        return empty, {}
    state = current_state(folder).get("watchlists", {})
    return index, {int(watchlist): (revision, largest) for watchlist, (revision, largest) in state.items()}


def _known_areas(folder: Path, rebuild: bool) -> AreaIndex:
    if rebuild or current_version(folder) is None:
        return build_area_index({})
    try:
        return read_area_index(folder)
    except DamagedIndex:
        return build_area_index({})


def _largest_cones(rows: pa.Table) -> dict[int, int]:
    largest = rows.group_by("wl_id").aggregate([("cone_id", "max")])
    return dict(zip(largest["wl_id"].to_pylist(), largest["cone_id_max"].to_pylist(), strict=True))


def cone_rows(connection: psycopg.Connection[Any], which: sql.Composable) -> pa.Table:
    """Cones with the radius that counts.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    which : psycopg.sql.Composable
        What follows the tables `cone` (its own row) and `list` (that of its watchlist): joins, conditions, order.
    """
    query = sql.SQL(
        "SELECT cone.wl_id, cone_id, cone.ra, cone.decl, coalesce(nullif(cone.radius, 0), list.radius) AS radius,"
        " cone.name FROM watchlist_cones AS cone JOIN watchlists AS list USING (wl_id)"
    )
    return fetch.fetch(connection, query + which, CONE_COLUMNS)


def index_of_rows(rows: pa.Table) -> ConeIndex:
    """The rows of `cone_rows` as an index, in their order."""
    return build_cone_index(
        rows["ra"].to_numpy(),
        rows["decl"].to_numpy(),
        rows["radius"].to_numpy(),
        watchlist=rows["wl_id"].to_numpy(),
        cone=rows["cone_id"].to_numpy(),
        name=strings(rows["name"]),
    )


def strings(column: pa.ChunkedArray) -> pa.StringArray:
    """A column of texts as one array of the type that `ConeIndex` keeps."""
    combined = column.cast(pa.string()).combine_chunks()
    return combined if isinstance(combined, pa.StringArray) else pa.array(combined.to_pylist(), pa.string())

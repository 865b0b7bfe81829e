"""What changed in watchlists and areas between two numbers of the counter of changes, read from the database."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from mocpy import MOC
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database import fetch
from broker_assets.sky.cones import ConeIndex, build_cone_index
from broker_assets.sky.windows import TimeWindows

Ids = NDArray[np.int64]

BEFORE_ALL = -1
"""A number before every change."""

CONE_COLUMNS = pa.schema(
    [
        ("wl_id", pa.int64()),
        ("cone_id", pa.int64()),
        ("ra", pa.float64()),
        ("decl", pa.float64()),
        ("radius", pa.float64()),
        ("name", pa.string()),
        ("mjd_since", pa.float64()),
        ("mjd_until", pa.float64()),
    ]
)


@dataclass(frozen=True)
class ConeChanges:
    """Cones that were removed and added between two numbers."""

    removed_cones: Ids
    """Cones that were deleted."""
    removed_lists: Ids
    """Watchlists all of whose cones are removed: no longer matched, or with another default radius."""
    added: pa.Table
    """Cones that were added, columns `CONE_COLUMNS`; for lists with another radius, all their cones."""


def cone_changes(connection: psycopg.Connection[Any], after: int, until: int) -> ConeChanges:
    """Read which cones were added and removed.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    after, until : int
        Numbers of changes: those with `after < number <= until` count; `BEFORE_ALL` gives all cones as added.
    """
    if after >= until:
        return ConeChanges(np.empty(0, np.int64), np.empty(0, np.int64), CONE_COLUMNS.empty_table())
    removed_cones = _ids(
        connection,
        "SELECT cone_id FROM watchlist_cone_gone WHERE revision_to > %s AND revision_to <= %s AND revision_from <= %s",
        (after, until, after),
    )
    removed_lists = _ids(
        connection,
        "SELECT DISTINCT wl_id FROM watchlist_periods WHERE revision_to > %s AND revision_to <= %s"
        " AND revision_from <= %s",
        (after, until, after),
    )
    # Two branches, each with an index of its own: new cones of lists that are matched, and old cones of lists of which
    # a period began.
    query = sql.SQL(
        "WITH period AS MATERIALIZED (SELECT * FROM watchlist_periods WHERE revision_from <= {until}"
        "  AND (revision_to IS NULL OR revision_to > {until})),"
        " held AS NOT MATERIALIZED (SELECT wl_id, cone_id, ra, decl, radius, name, mjd_since, mjd_until, revision_from"
        "  FROM watchlist_cones UNION ALL SELECT wl_id, cone_id, ra, decl, radius, name, mjd_since, mjd_until,"
        "  revision_from FROM watchlist_cone_gone"
        "  WHERE revision_to > {until})"
        " SELECT cone.wl_id, cone_id, ra, decl, coalesce(nullif(cone.radius, 0), period.radius) AS radius, name,"
        " mjd_since, mjd_until FROM ("
        "  SELECT * FROM held WHERE revision_from > {after} AND revision_from <= {until} UNION ALL"
        "  SELECT held.* FROM (SELECT wl_id AS begun FROM period WHERE revision_from > {after}) AS new"
        "  JOIN held ON held.wl_id = new.begun WHERE held.revision_from <= {after}"
        " ) AS cone JOIN period ON period.wl_id = cone.wl_id ORDER BY cone.wl_id, cone_id"
    ).format(after=sql.Literal(after), until=sql.Literal(until))
    return ConeChanges(removed_cones, removed_lists, fetch.fetch(connection, query, CONE_COLUMNS))


@dataclass(frozen=True)
class AreaChanges:
    """Areas that were removed and added between two numbers."""

    removed: Ids
    """Areas no longer matched, or with another MOC."""
    added: dict[int, MOC]
    """Areas that were added, or have another MOC."""


def area_changes(connection: psycopg.Connection[Any], after: int, until: int) -> AreaChanges:
    """Read which areas were added and removed; see `cone_changes`."""
    if after >= until:
        return AreaChanges(np.empty(0, np.int64), {})
    removed = _ids(
        connection,
        "SELECT DISTINCT ar_id FROM area_periods WHERE revision_to > %s AND revision_to <= %s AND revision_from <= %s",
        (after, until, after),
    )
    added = connection.execute(
        "SELECT ar_id, moc FROM area_periods WHERE revision_from > %s AND revision_from <= %s"
        " AND (revision_to IS NULL OR revision_to > %s)",
        (after, until, until),
    )
    return AreaChanges(removed, {area: MOC.from_fits(io.BytesIO(content)) for area, content in added})


def _ids(connection: psycopg.Connection[Any], statement: str, values: tuple[int, ...]) -> Ids:
    return np.array([row[0] for row in connection.execute(statement, values)], np.int64)  # type: ignore[call-overload]


def cone_rows(connection: psycopg.Connection[Any], which: sql.Composable) -> pa.Table:
    """Cones with their effective radius.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    which : psycopg.sql.Composable
        SQL after the tables `cone` (its own row) and `list` (that of its watchlist): joins, conditions, order.
    """
    query = sql.SQL(
        "SELECT cone.wl_id, cone_id, cone.ra, cone.decl, coalesce(nullif(cone.radius, 0), list.radius) AS radius,"
        " cone.name, cone.mjd_since, cone.mjd_until FROM watchlist_cones AS cone JOIN watchlists AS list USING (wl_id)"
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
        windows=TimeWindows.of(_bounds(rows["mjd_since"]), _bounds(rows["mjd_until"])),
    )


def _bounds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Bounds of time windows, MJD TAI; NaN where there is no bound."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def strings(column: pa.ChunkedArray) -> pa.StringArray:
    """A text column as one array of the type used in `ConeIndex`."""
    combined = column.cast(pa.string()).combine_chunks()
    return combined if isinstance(combined, pa.StringArray) else pa.array(combined.to_pylist(), pa.string())

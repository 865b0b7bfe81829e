"""Hits in the database: of a batch of the stream, and of past objects when a list changed. One definition for both.

An object is a hit of a cone when its position lies in it, of an area when the area's MOC holds it, of a sky map when it
lies within the 90 per cent region. The position is that of the object's newest alert. Both ways compute hits with
`match_cones`, `match_areas` and `match_sky_map`, and both write them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database import copy, fetch
from broker_assets.database.tables import sky as tables
from broker_assets.sky.areas import AreaIndex, match_areas
from broker_assets.sky.cells import DEEPEST, order_of
from broker_assets.sky.cones import ConeIndex, match_cones
from broker_assets.sky.skymaps import SkyMap, match_sky_map

MATCHING_VERSION = "1"

SKY_MAP_LEVEL = 90.0
"""per cent; largest credible level of a hit."""

_POSITIONS = pa.schema([("diaobjectid", pa.int64()), ("ra", pa.float64()), ("decl", pa.float64())])


@dataclass(frozen=True)
class Origin:
    """Where hits come from."""

    index_version: str
    """Version of the index or sky map."""
    ingestid: int | None = None
    """Batch; none for a re-match."""


@dataclass(frozen=True)
class Positions:
    """Objects to be matched."""

    diaobjectid: NDArray[np.int64]
    """(n,) ids, each once."""
    ra: NDArray[np.float64]
    """(n,) ICRS, degrees."""
    dec: NDArray[np.float64]
    """(n,) ICRS, degrees."""
    night: NDArray[np.datetime64] | None = None
    """(n,) datetime64[D], night of each object's alert; none for a re-match."""

    def nights_of(self, rows: NDArray[np.int64]) -> pa.Array:
        """Nights of some objects as a column."""
        if self.night is None:
            return pa.nulls(len(rows), pa.date32())
        return pa.array(self.night[rows].astype("datetime64[D]"))

    def __len__(self) -> int:
        return len(self.diaobjectid)


def write_cone_hits(connection: psycopg.Connection[Any], index: ConeIndex, positions: Positions, origin: Origin) -> int:
    """Match objects with cones and write what is new, within the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that writes the objects, or in one of its own for a re-match.
    index : ConeIndex
        All cones, or those that changed.
    positions : Positions
        Objects.
    origin : Origin
        Stored with the hits.

    Returns
    -------
    int
        Hits found in lists that are active now.

    Notes
    -----
    The index may be older than the lists: a hit is written only while its cone exists and its list is active and not
    expired, and the cone is locked against deletion until the transaction ends, so no hit of a deleted cone stays. A
    stored hit goes only if its cone is in this index and does not contain the object any more.
    """
    hits = match_cones(index, positions.ra, positions.dec)
    removed = _remove_outdated(
        connection, "watchlist_hits", "cone_id", positions, index.cone, hits.position, index.cone[hits.cone]
    )
    if removed:
        name_objects(connection, positions.diaobjectid)
    if len(hits) == 0:
        return 0
    rows = pa.table(
        {
            "diaobjectid": positions.diaobjectid[hits.position],
            "cone_id": index.cone[hits.cone],
            "wl_id": index.watchlist[hits.cone],
            "arcsec": hits.separation,
            "name": index.name.take(pa.array(hits.cone)),
            "night": positions.nights_of(hits.position),
        }
    )
    _stage(connection, tables.watchlist_hits, rows)
    # Locks in the order of their keys, so that batches do not wait for one another in a circle.
    connection.execute(
        "SELECT FROM watchlist_cones WHERE cone_id IN (SELECT cone_id FROM hit_new) ORDER BY cone_id FOR KEY SHARE"
    )
    written = connection.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name, index_version, ingestid, night)"
        " SELECT hit.diaobjectid, hit.cone_id, hit.wl_id, hit.arcsec, hit.name, %s, %s, hit.night FROM hit_new AS hit"
        " JOIN watchlist_cones AS cone USING (cone_id) JOIN watchlists AS list ON list.wl_id = cone.wl_id"
        " WHERE list.active AND (list.date_expire IS NULL OR list.date_expire > now())"
        " ORDER BY hit.diaobjectid, hit.cone_id"
        " ON CONFLICT (diaobjectid, cone_id) DO UPDATE SET arcsec = EXCLUDED.arcsec, name = EXCLUDED.name,"
        " index_version = EXCLUDED.index_version, ingestid = EXCLUDED.ingestid, night = EXCLUDED.night"
        " WHERE (watchlist_hits.arcsec, watchlist_hits.name) IS DISTINCT FROM (EXCLUDED.arcsec, EXCLUDED.name)",
        (origin.index_version, origin.ingestid),
    ).rowcount
    name_objects(connection, positions.diaobjectid[np.unique(hits.position)])
    connection.execute("DROP TABLE hit_new")
    return written


def write_area_hits(connection: psycopg.Connection[Any], index: AreaIndex, positions: Positions, origin: Origin) -> int:
    """Match objects with areas and write what is new; see `write_cone_hits`."""
    hits = match_areas(index, positions.ra, positions.dec)
    _remove_outdated(connection, "area_hits", "ar_id", positions, index.area, hits.position, hits.area)
    if len(hits) == 0:
        return 0
    versions = dict(zip(index.area.tolist(), index.content, strict=True))
    rows = pa.table(
        {
            "diaobjectid": positions.diaobjectid[hits.position],
            "ar_id": hits.area,
            "index_version": pa.array([versions[area] for area in hits.area.tolist()]),
            "night": positions.nights_of(hits.position),
        }
    )
    _stage(connection, tables.area_hits, rows)
    connection.execute("SELECT FROM areas WHERE ar_id IN (SELECT ar_id FROM hit_new) ORDER BY ar_id FOR KEY SHARE")
    # The area may have another MOC by now than the index: then its re-match decides, not this batch.
    written = connection.execute(
        "INSERT INTO area_hits (diaobjectid, ar_id, index_version, ingestid, night)"
        " SELECT hit.diaobjectid, hit.ar_id, hit.index_version, %s, hit.night FROM hit_new AS hit"
        " JOIN areas USING (ar_id)"
        " WHERE areas.active AND (areas.date_expire IS NULL OR areas.date_expire > now())"
        " AND areas.moc_version = hit.index_version ORDER BY hit.diaobjectid, hit.ar_id"
        " ON CONFLICT (diaobjectid, ar_id) DO NOTHING",
        (origin.ingestid,),
    ).rowcount
    connection.execute("DROP TABLE hit_new")
    return written


def write_sky_map_hits(
    connection: psycopg.Connection[Any],
    identifier: int,
    sky_map: SkyMap,
    positions: Positions,
    origin: Origin,
    *,
    distance: NDArray[np.float64] | None = None,
) -> int:
    """Match objects with one sky map and write what is new; see `write_cone_hits`.

    Parameters
    ----------
    identifier : int
        `mw_id` of the map.
    distance : (n,) float64 array, optional
        Luminosity distance of each object, Mpc; NaN where unknown.
    """
    hits = match_sky_map(sky_map, positions.ra, positions.dec, distance=distance, level=SKY_MAP_LEVEL)
    this = np.array([identifier], np.int64)
    _remove_outdated(connection, "mma_area_hits", "mw_id", positions, this, hits.position, np.repeat(this, len(hits)))
    if len(hits) == 0:
        return 0
    known = np.full(len(positions), np.nan) if distance is None else distance
    rows = pa.table(
        {
            "diaobjectid": positions.diaobjectid[hits.position],
            "mw_id": np.full(len(hits), identifier, np.int64),
            "contour": hits.contour,
            "distance": _or_null(known[hits.position]),
            "probdens2": hits.probability_density,
            "probdens3": _or_null(hits.volume_density),
            "distmu": _or_null(hits.distance_mean),
            "distsigma": _or_null(hits.distance_sigma),
            "night": positions.nights_of(hits.position),
        }
    )
    _stage(connection, tables.mma_area_hits, rows)
    written = connection.execute(
        "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, distance, probdens2, probdens3, distmu, distsigma,"
        " index_version, ingestid, night) SELECT hit.diaobjectid, hit.mw_id, hit.contour, hit.distance, hit.probdens2,"
        " hit.probdens3, hit.distmu, hit.distsigma, %s, %s, hit.night FROM hit_new AS hit"
        " JOIN mma_areas AS map USING (mw_id)"
        " WHERE map.active AND map.active_until > now() ORDER BY hit.diaobjectid"
        " ON CONFLICT (diaobjectid, mw_id) DO UPDATE SET contour = EXCLUDED.contour, distance = EXCLUDED.distance,"
        " probdens2 = EXCLUDED.probdens2, probdens3 = EXCLUDED.probdens3, distmu = EXCLUDED.distmu,"
        " distsigma = EXCLUDED.distsigma, index_version = EXCLUDED.index_version"
        " WHERE (mma_area_hits.contour, mma_area_hits.probdens2, mma_area_hits.distance)"
        " IS DISTINCT FROM (EXCLUDED.contour, EXCLUDED.probdens2, EXCLUDED.distance)",
        (origin.index_version, origin.ingestid),
    ).rowcount
    connection.execute("DROP TABLE hit_new")
    return written


def objects_in_cells(
    connection: psycopg.Connection[Any],
    cells: NDArray[np.int64],
    *,
    since: float | None = None,
    until: float | None = None,
) -> Positions:
    """Objects of the database in HEALPix cells, through the index of `objects.healpix`.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    cells : (m,) int64 array
        NUNIQ numbers of any orders.
    since, until : float, optional
        Bounds of `lastdiasourcemjdtai`, MJD TAI.
    """
    order = order_of(cells)
    shift = 2 * (DEEPEST - order)
    low = (cells - (np.int64(4) << (2 * order))) << shift
    ranges = _united(low, low + (np.int64(1) << shift))
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS cell_range (low bigint, high bigint)")
    connection.execute("TRUNCATE cell_range")
    with connection.cursor() as cursor:
        copy.load(cursor, _CELL_RANGE, pa.table({"low": ranges[0], "high": ranges[1]}))
    connection.execute("ANALYZE cell_range")
    bounds: sql.Composable = sql.SQL("")
    if since is not None:
        bounds += sql.SQL(" AND lastdiasourcemjdtai >= {}").format(sql.Literal(since))
    if until is not None:
        bounds += sql.SQL(" AND lastdiasourcemjdtai <= {}").format(sql.Literal(until))
    rows = fetch.fetch(
        connection,
        sql.SQL(
            "SELECT diaobjectid, ra, decl FROM cell_range JOIN objects ON healpix >= low AND healpix < high"
            " WHERE ra IS NOT NULL AND decl IS NOT NULL"
        )
        + bounds,
        _POSITIONS,
    )
    return Positions(rows["diaobjectid"].to_numpy(), rows["ra"].to_numpy(), rows["decl"].to_numpy())


_CELL_RANGE = sa.Table(
    "cell_range", sa.MetaData(), sa.Column("low", sa.BigInteger()), sa.Column("high", sa.BigInteger())
)


def _united(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranges without overlaps and gaps of nothing, so that no object is read twice."""
    if len(low) == 0:
        return low, high
    order = np.argsort(low, kind="stable")
    low, reach = low[order], np.maximum.accumulate(high[order])
    first = np.append(True, low[1:] > reach[:-1])
    last = np.append(first[1:], True)
    return low[first], reach[last]


def _or_null(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))


def _stage(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    connection.execute("DROP TABLE IF EXISTS pg_temp.hit_new")
    connection.execute(
        sql.SQL("CREATE TEMP TABLE hit_new ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.SQL(", ").join(map(sql.Identifier, rows.column_names)), sql.Identifier(table.name)
        )
    )
    with connection.cursor() as cursor:
        copy.load(cursor, table, rows, into="hit_new")


def _remove_outdated(
    connection: psycopg.Connection[Any],
    table: str,
    key: str,
    positions: Positions,
    indexed: NDArray[np.int64],
    hit_position: NDArray[np.int64],
    hit_key: NDArray[np.int64],
) -> int:
    """Delete stored hits of these objects that this index denies; how many."""
    stored = connection.execute(
        sql.SQL("SELECT diaobjectid, {} FROM {} WHERE diaobjectid = ANY(%s)").format(
            sql.Identifier(key), sql.Identifier(table)
        ),
        (positions.diaobjectid.tolist(),),
    ).fetchall()
    if not stored:
        return 0
    held = set(zip(positions.diaobjectid[hit_position].tolist(), hit_key.tolist(), strict=True))
    missing = [pair for pair in stored if pair not in held]
    if not missing:  # as for nearly every batch: looking through the whole index costs more than the rest
        return 0
    in_index = np.isin(np.array(missing, np.int64)[:, 1], indexed)
    outdated = [pair for pair, known in zip(missing, in_index.tolist(), strict=True) if known]
    if outdated:
        connection.execute(
            sql.SQL(
                "DELETE FROM {table} USING unnest(%s::bigint[], %s::bigint[]) AS gone (diaobjectid, other)"
                " WHERE {table}.diaobjectid = gone.diaobjectid AND {table}.{key} = gone.other"
            ).format(table=sql.Identifier(table), key=sql.Identifier(key)),
            ([pair[0] for pair in outdated], [pair[1] for pair in outdated]),
        )
    return len(outdated)


def name_objects(connection: psycopg.Connection[Any], diaobjectid: NDArray[np.int64]) -> None:
    """Give objects the name of the nearest TNS object that they are hits of, or none."""
    connection.execute(
        "UPDATE objects SET tns_name = nearest.name FROM (SELECT DISTINCT ON (wanted.diaobjectid) wanted.diaobjectid,"
        " tns.name FROM unnest(%s::bigint[]) AS wanted (diaobjectid) LEFT JOIN (SELECT hit.* FROM watchlist_hits AS hit"
        " JOIN watchlists AS list USING (wl_id) WHERE list.owner = 'system' AND list.name = '__TNS__') AS tns"
        " USING (diaobjectid) ORDER BY wanted.diaobjectid, tns.arcsec, tns.name) AS nearest"
        " WHERE objects.diaobjectid = nearest.diaobjectid AND objects.tns_name IS DISTINCT FROM nearest.name",
        (diaobjectid.tolist(),),
    )

"""The state of hits: which objects lie in which cones, areas and sky maps now.

An object is a hit of a cone or area if its newest position is inside, and of a sky map if it is inside the 90 per cent
region. A batch of the stream writes the hits of the objects that it moved, a re-match (`rematch`) those of lists that
changed; both use this module, which compares them with the stored hits and writes the difference. What an alert matched
when it arrived is a fact and is kept elsewhere (`matching`).
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
from broker_assets.database.number_arrays import distinct
from broker_assets.database.tables import sky as tables
from broker_assets.sky.areas import AreaIndex
from broker_assets.sky.cells import DEEPEST, order_of
from broker_assets.sky.cones import ConeIndex
from broker_assets.sky.in_force import AreasInForce, ConesInForce, sky_map_matches
from broker_assets.sky.skymaps import SkyMap

MATCHING_VERSION = "2"
"""Version of the code that finds hits."""

_POSITIONS = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("ra", pa.float64()),
        ("decl", pa.float64()),
        ("lastdiasourcemjdtai", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Origin:
    """Where hits come from."""

    index_version: str
    """Version of the index."""
    ingestid: int | None = None
    """Batch; None for a re-match."""


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
    """(n,) datetime64[D], night of each object's alert; None for a re-match."""
    mjd: NDArray[np.float64] | None = None
    """(n,) time of each object's newest alert, MJD TAI; if not given, no cone with a time window contains any object.
    """

    @property
    def times(self) -> NDArray[np.float64]:
        """(n,) MJD TAI, NaN where unknown."""
        return np.full(len(self), np.nan) if self.mjd is None else self.mjd

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
        In the transaction that writes the objects, or in one that holds locks on them.
    index : ConeIndex
        All cones, or those that changed.
    positions : Positions
        Objects.
    origin : Origin
        Stored with the hits.

    Returns
    -------
    int
        Hits written or changed.

    Notes
    -----
    The index may be older than the lists: a hit is written only while its cone exists and its list is matched. The cone
    may still be deleted before the transaction ends: the re-match that follows the deletion waits for running batches
    and removes their hits. A stored hit is deleted only if its cone is in this index and no longer contains the object.
    """
    matches = ConesInForce.of(index, 0).match(positions.ra, positions.dec, positions.times)
    return store_cone_hits(connection, positions, matches, origin, indexed=index.cone)


def store_cone_hits(
    connection: psycopg.Connection[Any],
    positions: Positions,
    matches: pa.Table,
    origin: Origin,
    *,
    indexed: NDArray[np.int64] | None = None,
) -> int:
    """Make these the hits of objects in `watchlist_hits`; see `write_cone_hits`.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction that holds locks on the objects.
    positions : Positions
        Objects.
    matches : pyarrow.Table
        `CONE_MATCHES`; `row` numbers the objects.
    origin : Origin
        Stored with the hits.
    indexed : (m,) int64 array, optional
        The cones that were matched; default: all. Hits of other cones stay.
    """
    written, objects = _store(connection, _CONE_HITS, positions, matches, origin, indexed)
    if objects:
        name_objects(connection, np.array(objects, np.int64))
    return written


def write_area_hits(connection: psycopg.Connection[Any], index: AreaIndex, positions: Positions, origin: Origin) -> int:
    """Match objects with areas and write what is new; see `write_cone_hits`."""
    matches = AreasInForce.of(index, 0).match(positions.ra, positions.dec)
    return store_area_hits(connection, positions, matches, origin, indexed=index.area)


def store_area_hits(
    connection: psycopg.Connection[Any],
    positions: Positions,
    matches: pa.Table,
    origin: Origin,
    *,
    indexed: NDArray[np.int64] | None = None,
) -> int:
    """Make these the hits of objects in `area_hits`; see `store_cone_hits`."""
    return _store(connection, _AREA_HITS, positions, matches, origin, indexed)[0]


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
    matches = sky_map_matches(identifier, sky_map, positions.ra, positions.dec, distance=distance)
    return store_sky_map_hits(connection, positions, matches, origin, indexed=np.array([identifier], np.int64))


def store_sky_map_hits(
    connection: psycopg.Connection[Any],
    positions: Positions,
    matches: pa.Table,
    origin: Origin,
    *,
    indexed: NDArray[np.int64] | None = None,
) -> int:
    """Make these the hits of objects in `mma_area_hits`; see `store_cone_hits`."""
    return _store(connection, _SKY_MAP_HITS, positions, matches, origin, indexed)[0]


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
            "SELECT diaobjectid, ra, decl, lastdiasourcemjdtai FROM cell_range"
            " JOIN objects ON healpix >= low AND healpix < high WHERE ra IS NOT NULL AND decl IS NOT NULL"
        )
        + bounds,
        _POSITIONS,
    )
    return Positions(
        rows["diaobjectid"].to_numpy(), rows["ra"].to_numpy(), rows["decl"].to_numpy(),
        mjd=rows["lastdiasourcemjdtai"].to_numpy(),
    )  # fmt: skip


_CELL_RANGE = sa.Table(
    "cell_range", sa.MetaData(), sa.Column("low", sa.BigInteger()), sa.Column("high", sa.BigInteger())
)


def _united(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge ranges that overlap or touch, so that no object is read twice."""
    if len(low) == 0:
        return low, high
    order = np.argsort(low, kind="stable")
    low, reach = low[order], np.maximum.accumulate(high[order])
    first = np.append(True, low[1:] > reach[:-1])
    last = np.append(first[1:], True)
    return low[first], reach[last]


def _stage(connection: psycopg.Connection[Any], table: sa.Table, rows: pa.Table) -> None:
    connection.execute("DROP TABLE IF EXISTS pg_temp.hit_new")
    connection.execute(
        sql.SQL("CREATE TEMP TABLE hit_new ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.SQL(", ").join(map(sql.Identifier, rows.column_names)), sql.Identifier(table.name)
        )
    )
    with connection.cursor() as cursor:
        copy.load(cursor, table, rows, into="hit_new")


@dataclass(frozen=True)
class _HitTable:
    """A table of hits: key of the list, columns by which stored hits are compared, and how new hits are written."""

    table: sa.Table
    key: str
    compared: tuple[str, ...]
    insert: str
    """Inserts from the temporary table `hit_new`, only while the list is matched; takes `version` and `ingestid`."""

    @property
    def name(self) -> str:
        """Name of the table."""
        return str(self.table.name)


_CONE_HITS = _HitTable(
    tables.watchlist_hits,
    "cone_id",
    ("arcsec", "name"),
    "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name, index_version, ingestid, night)"
    " SELECT hit.diaobjectid, hit.cone_id, hit.wl_id, hit.arcsec, hit.name, %(version)s, %(ingestid)s, hit.night"
    " FROM hit_new AS hit JOIN watchlist_cones AS cone USING (cone_id)"
    " JOIN watchlist_periods AS period ON period.wl_id = cone.wl_id AND period.revision_to IS NULL"
    " ORDER BY hit.diaobjectid, hit.cone_id"
    " ON CONFLICT (diaobjectid, cone_id) DO UPDATE SET arcsec = EXCLUDED.arcsec, name = EXCLUDED.name,"
    " index_version = EXCLUDED.index_version, ingestid = EXCLUDED.ingestid, night = EXCLUDED.night",
)
_AREA_HITS = _HitTable(
    tables.area_hits,
    "ar_id",
    (),
    # The area may have another MOC by now than in the index; then its re-match decides, not this batch.
    "INSERT INTO area_hits (diaobjectid, ar_id, index_version, ingestid, night)"
    " SELECT hit.diaobjectid, hit.ar_id, hit.index_version, %(ingestid)s, hit.night FROM hit_new AS hit"
    " JOIN area_periods AS period ON period.ar_id = hit.ar_id AND period.revision_to IS NULL"
    " AND period.moc_version = hit.index_version ORDER BY hit.diaobjectid, hit.ar_id"
    " ON CONFLICT (diaobjectid, ar_id) DO NOTHING",
)
_SKY_MAP_HITS = _HitTable(
    tables.mma_area_hits,
    "mw_id",
    ("contour", "probdens2", "distance"),
    "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, distance, probdens2, probdens3, distmu, distsigma,"
    " index_version, ingestid, night) SELECT hit.diaobjectid, hit.mw_id, hit.contour, hit.distance, hit.probdens2,"
    " hit.probdens3, hit.distmu, hit.distsigma, hit.index_version, %(ingestid)s, hit.night FROM hit_new AS hit"
    " JOIN mma_areas AS map USING (mw_id)"
    " WHERE map.revision_from IS NOT NULL AND map.revision_to IS NULL ORDER BY hit.diaobjectid, hit.mw_id"
    " ON CONFLICT (diaobjectid, mw_id) DO UPDATE SET contour = EXCLUDED.contour, distance = EXCLUDED.distance,"
    " probdens2 = EXCLUDED.probdens2, probdens3 = EXCLUDED.probdens3, distmu = EXCLUDED.distmu,"
    " distsigma = EXCLUDED.distsigma, index_version = EXCLUDED.index_version",
)


def _store(
    connection: psycopg.Connection[Any],
    table: _HitTable,
    positions: Positions,
    matches: pa.Table,
    origin: Origin,
    indexed: NDArray[np.int64] | None,
) -> tuple[int, list[int]]:
    """Write the difference between matches and stored hits; return hits written, and objects whose hits changed."""
    changes = _difference(connection, table, positions, matches, indexed)
    if changes.removed:
        _delete(connection, table, changes.removed)
    written = 0
    if len(changes.written):
        _stage(connection, table.table, _with_nights(changes.written, positions))
        values = {"version": origin.index_version, "ingestid": origin.ingestid}
        written = connection.execute(sql.SQL(table.insert), values).rowcount  # type: ignore[arg-type]
        connection.execute("DROP TABLE hit_new")
    return written, changes.objects


@dataclass(frozen=True)
class _Difference:
    """Changes to the hits of some objects."""

    removed: list[tuple[int, int]]
    """Object and other key of stored hits that no longer are hits."""
    written: pa.Table
    """Matches with `diaobjectid` that are not stored, or are stored with other values."""
    objects: list[int]
    """Objects with changes of either kind."""


def _difference(
    connection: psycopg.Connection[Any],
    table: _HitTable,
    positions: Positions,
    matches: pa.Table,
    indexed: NDArray[np.int64] | None,
) -> _Difference:
    """Compare matches with the hits that the objects have."""
    stored = connection.execute(
        sql.SQL("SELECT diaobjectid, {} FROM {} WHERE diaobjectid = ANY(%s)").format(
            sql.SQL(", ").join(map(sql.Identifier, (table.key, *table.compared))), sql.Identifier(table.name)
        ),
        (positions.diaobjectid.tolist(),),
    ).fetchall()
    objects = positions.diaobjectid[matches["row"].to_numpy()]
    found = matches.append_column("diaobjectid", pa.array(objects))
    if not stored:
        return _Difference([], found, distinct(objects).tolist())
    known = {(row[0], row[1]): tuple(row[2:]) for row in stored}
    keys = list(zip(objects.tolist(), matches[table.key].to_pylist(), strict=True))
    values = zip(*(matches[name].to_pylist() for name in table.compared), strict=True) if table.compared else ()
    said: dict[tuple[int, int], tuple[Any, ...]] = dict(zip(keys, values, strict=True)) if table.compared else {}
    new = np.array([known.get(key) != said.get(key, ()) for key in keys], bool)
    missing = list(known.keys() - set(keys))
    if indexed is not None and missing:
        inside = np.isin(np.array(missing, np.int64)[:, 1], indexed)
        missing = [pair for pair, yes in zip(missing, inside.tolist(), strict=True) if yes]
    written = found if new.all() else found.filter(pa.array(new))
    changed = set(written["diaobjectid"].to_pylist()) | {pair[0] for pair in missing}
    return _Difference(sorted(missing), written, sorted(changed))


def _delete(connection: psycopg.Connection[Any], table: _HitTable, pairs: list[tuple[int, int]]) -> None:
    connection.execute(
        sql.SQL(
            "DELETE FROM {table} USING unnest(%s::bigint[], %s::bigint[]) AS gone (diaobjectid, other)"
            " WHERE {table}.diaobjectid = gone.diaobjectid AND {table}.{key} = gone.other"
        ).format(table=sql.Identifier(table.name), key=sql.Identifier(table.key)),
        ([pair[0] for pair in pairs], [pair[1] for pair in pairs]),
    )


def _with_nights(matches: pa.Table, positions: Positions) -> pa.Table:
    """Matches as rows of the table of hits, with the night of each object's alert."""
    nights = positions.nights_of(matches["row"].to_numpy())
    return matches.drop_columns(["row"]).append_column("night", nights)


def name_objects(connection: psycopg.Connection[Any], diaobjectid: NDArray[np.int64]) -> None:
    """Set the TNS name of objects to that of the nearest TNS object that they are hits of, or to null."""
    connection.execute(
        "UPDATE objects SET tns_name = nearest.name FROM (SELECT DISTINCT ON (wanted.diaobjectid) wanted.diaobjectid,"
        " tns.name FROM unnest(%s::bigint[]) AS wanted (diaobjectid) LEFT JOIN (SELECT hit.* FROM watchlist_hits AS hit"
        " JOIN watchlists AS list USING (wl_id) WHERE list.owner = 'system' AND list.name = '__TNS__') AS tns"
        " USING (diaobjectid) ORDER BY wanted.diaobjectid, tns.arcsec, tns.name) AS nearest"
        " WHERE objects.diaobjectid = nearest.diaobjectid AND objects.tns_name IS DISTINCT FROM nearest.name",
        (diaobjectid.tolist(),),
    )

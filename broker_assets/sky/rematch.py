"""Re-matching: brings the hits of changed lists up to date, and of each list only what changed.

Facts of past nights are not touched. The cost grows with the cones or cells that changed and their hits, not with the
number of nights or objects.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from mocpy import MOC
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.number_arrays import distinct
from broker_assets.database.turns import in_turn
from broker_assets.provenance.revisions import current_revision, wait_for_batches
from broker_assets.sky.areas import build_area_index
from broker_assets.sky.changes import BEFORE_ALL, cone_rows, index_of_rows
from broker_assets.sky.cones import match_cones
from broker_assets.sky.hits import (
    Origin,
    Positions,
    name_objects,
    objects_in_cells,
    write_area_hits,
    write_cone_hits,
    write_sky_map_hits,
)
from broker_assets.sky.in_force import DAYS_AROUND_EVENT, SKY_MAP_LEVEL
from broker_assets.sky.lists import UnknownList
from broker_assets.sky.skymaps import stored_sky_map

Kind = Literal["watchlist", "area", "sky_map"]
Connection = psycopg.Connection[Any]

_HITS: dict[Kind, tuple[str, str]] = {
    "watchlist": ("watchlist_hits", "wl_id"),
    "area": ("area_hits", "ar_id"),
    "sky_map": ("mma_area_hits", "mw_id"),
}
"""Table of hits of each kind of list, and its column with the id of the list."""


@dataclass(frozen=True)
class Rematched:
    """What a re-match did."""

    candidates: int
    """Objects examined."""
    hits: int
    """Hits written or changed."""
    removed: int
    """Objects that lost hits of removed cones or cells."""
    total: int
    """Hits of the list afterwards."""
    revision: int
    """Number of the change up to which the hits are correct."""


def lists_to_rematch(connection: Connection) -> list[tuple[Kind, int, int]]:
    """Lists that changed since their hits were brought up to date: kind, id, revision (0 if no longer matched)."""
    return connection.execute(
        "WITH list AS (SELECT 'watchlist' AS kind, wl_id AS id, revision FROM watchlists"
        "  JOIN watchlist_periods AS period USING (wl_id) WHERE period.revision_to IS NULL"
        "  UNION ALL SELECT 'area', ar_id, revision FROM areas JOIN area_periods AS period USING (ar_id)"
        "  WHERE period.revision_to IS NULL"
        "  UNION ALL SELECT 'sky_map', mw_id, revision_from FROM mma_areas WHERE revision_from IS NOT NULL"
        "  AND revision_to IS NULL AND sky_map IS NOT NULL)"
        " SELECT list.kind, list.id, list.revision FROM list"
        " LEFT JOIN rematch ON rematch.kind = list.kind AND rematch.list_id = list.id"
        " WHERE rematch.revision IS NULL OR rematch.revision < list.revision"
        " UNION ALL SELECT kind, list_id, 0 FROM rematch WHERE NOT EXISTS"
        "  (SELECT FROM list WHERE list.kind = rematch.kind AND list.id = rematch.list_id)"
        " ORDER BY 1, 2"
    ).fetchall()


def rematch(connection: Connection, kind: Kind, identifier: int, *, whole: bool = False) -> Rematched:
    """Bring the hits of a list up to date, in one transaction.

    It first waits for running batches of the stream: they may not know the newest change, and may be writing objects
    that are not yet visible here.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    kind, identifier
        Which list. One that is no longer matched loses its hits.
    whole : bool
        Match every object again, instead of only what changed.

    Raises
    ------
    UnknownList
        If there is no such list and it never had hits.
    BatchesDoNotEnd
        If a batch runs for too long; try again later.
    """
    # In this order: changes made after the number is read do not count as done, even if no batch knows of them yet.
    revision = current_revision(connection)
    wait_for_batches(connection)
    with connection.transaction():
        # One re-match of a list at a time.
        in_turn(connection, f"broker_assets.sky rematch {kind} {identifier}")
        row = connection.execute(
            "SELECT revision, hits FROM rematch WHERE kind = %s AND list_id = %s", (kind, identifier)
        ).fetchone()
        known, total = (int(row[0]), int(row[1])) if row else (BEFORE_ALL, 0)
        if whole:
            known = BEFORE_ALL
            _delete_hits(connection, *_HITS[kind], [identifier])
        bring_up_to_date: Callable[[Connection, int, int], tuple[int, int, int] | None] = {
            "watchlist": _watchlist, "area": _area, "sky_map": _sky_map,
        }[kind]  # fmt: skip
        done = bring_up_to_date(connection, identifier, known)
        if done is None:
            if row is None:
                raise UnknownList(f"there is no {kind.replace('_', ' ')} {identifier}")
            return _forget(connection, kind, identifier, revision)
        candidates, hits, removed = done
        if hits or removed or whole or row is None:
            total = _count(connection, kind, identifier)
        connection.execute(
            "INSERT INTO rematch (kind, list_id, revision, hits) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (kind, list_id) DO UPDATE SET revision = EXCLUDED.revision, hits = EXCLUDED.hits,"
            " matched_at = now()",
            (kind, identifier, revision, total),
        )
        return Rematched(candidates, hits, removed, total, revision)


def _watchlist(connection: Connection, watchlist: int, known: int) -> tuple[int, int, int] | None:
    row = connection.execute(
        "SELECT period.revision_from FROM watchlists AS list JOIN watchlist_periods AS period USING (wl_id)"
        " WHERE wl_id = %s AND period.revision_to IS NULL FOR KEY SHARE OF list",
        (watchlist,),
    ).fetchone()
    if row is None:
        return None
    above = BEFORE_ALL if row[0] > known else known
    gone = [
        cone
        for (cone,) in connection.execute(
            "SELECT cone_id FROM watchlist_cone_gone WHERE wl_id = %s AND revision_to > %s", (watchlist, known)
        )
    ]
    losers = _delete_hits(connection, "watchlist_hits", "cone_id", gone) if gone else []
    if above == BEFORE_ALL:  # the default radius may have shrunk: objects beyond it are in none of the cells examined
        beyond = [
            number
            for (number,) in connection.execute(
                "SELECT DISTINCT hit.diaobjectid FROM watchlist_hits AS hit"
                " JOIN watchlist_cones AS cone USING (cone_id)"
                " JOIN watchlists AS list ON list.wl_id = cone.wl_id WHERE hit.wl_id = %s"
                " AND hit.arcsec > coalesce(nullif(cone.radius, 0), list.radius)",
                (watchlist,),
            )
        ]
        _locked(connection, np.array(beyond, np.int64))
        connection.execute(
            "DELETE FROM watchlist_hits AS hit USING watchlist_cones AS cone, watchlists AS list"
            " WHERE hit.wl_id = %s AND cone.cone_id = hit.cone_id AND list.wl_id = cone.wl_id"
            " AND hit.arcsec > coalesce(nullif(cone.radius, 0), list.radius)",
            (watchlist,),
        )
        losers += beyond
    if losers:
        name_objects(connection, np.array(losers, np.int64))
    wanted = sql.SQL(" WHERE cone.wl_id = {} AND cone.revision_from > {} ORDER BY cone_id")
    index = index_of_rows(cone_rows(connection, wanted.format(sql.Literal(watchlist), sql.Literal(above))))
    positions = objects_in_cells(connection, distinct(index.cells.cell))
    inside = distinct(match_cones(index, positions.ra, positions.dec, mjd=positions.times).position)
    hits = write_cone_hits(connection, index, _locked(connection, positions.diaobjectid[inside]), Origin(index.version))
    return len(positions), hits, len(set(losers))


def _area(connection: Connection, area: int, known: int) -> tuple[int, int, int] | None:
    row = connection.execute(
        "SELECT areas.moc FROM areas JOIN area_periods AS period USING (ar_id)"
        " WHERE ar_id = %s AND period.revision_to IS NULL FOR KEY SHARE OF areas",
        (area,),
    ).fetchone()
    if row is None:
        return None
    now = MOC.from_fits(io.BytesIO(row[0]))
    # Batches may have written hits of any MOC that the area had in the meantime.
    periods = connection.execute(
        "SELECT moc, revision_from <= %s FROM area_periods WHERE ar_id = %s"
        " AND (revision_to IS NULL OR revision_to > %s)",
        (known, area, known),
    ).fetchall()
    mocs = [MOC.from_fits(io.BytesIO(content)) for content, _ in periods]
    changed = now.union(*mocs)
    if any(held for _, held in periods):  # objects in cells that all those MOCs share are hits already
        changed = changed.difference(now.intersection(*mocs))
    positions = objects_in_cells(connection, np.asarray(changed.uniq_hpx, np.int64))
    index = build_area_index({area: now})
    locked = _locked(connection, positions.diaobjectid)
    return len(positions), write_area_hits(connection, index, locked, Origin(index.content[0])), 0


def _sky_map(connection: Connection, identifier: int, known: int) -> tuple[int, int, int] | None:
    row = connection.execute(
        "SELECT event_tai, sky_map FROM mma_areas WHERE mw_id = %s AND revision_from IS NOT NULL"
        " AND revision_to IS NULL AND sky_map IS NOT NULL FOR KEY SHARE",
        (identifier,),
    ).fetchone()
    if row is None:
        return None
    sky_map = stored_sky_map(row[1])
    cells = sky_map.cell[sky_map.contour <= SKY_MAP_LEVEL]
    positions = objects_in_cells(connection, cells, since=row[0] - DAYS_AROUND_EVENT, until=row[0] + DAYS_AROUND_EVENT)
    locked = _locked(connection, positions.diaobjectid)
    return len(positions), write_sky_map_hits(connection, identifier, sky_map, locked, Origin(sky_map.version)), 0


def _delete_hits(connection: Connection, table: str, key: str, identifiers: Sequence[int]) -> list[int]:
    """Delete the hits of cones, lists or maps; return the objects that had one.

    The objects are locked first, in the order of their ids, as batches of the stream do, so there is no deadlock.
    """
    names = {"table": sql.Identifier(table), "key": sql.Identifier(key)}
    objects = connection.execute(
        sql.SQL(
            "SELECT diaobjectid FROM objects WHERE diaobjectid IN (SELECT diaobjectid FROM {table}"
            " WHERE {key} = ANY(%s)) ORDER BY diaobjectid FOR NO KEY UPDATE"
        ).format(**names),
        (list(identifiers),),
    ).fetchall()
    connection.execute(sql.SQL("DELETE FROM {table} WHERE {key} = ANY(%s)").format(**names), (list(identifiers),))
    return [row[0] for row in objects]


def _locked(connection: Connection, objects: NDArray[np.int64]) -> Positions:
    """Lock objects in the order of their ids, and return their positions as of then.

    A batch may have moved them since they were examined: it has written its own hits, which must not be undone.
    """
    if len(objects) == 0:
        return Positions(np.empty(0, np.int64), np.empty(0), np.empty(0))
    rows = connection.execute(
        "SELECT diaobjectid, ra, decl, lastdiasourcemjdtai FROM objects WHERE diaobjectid = ANY(%s)"
        " AND ra IS NOT NULL AND decl IS NOT NULL ORDER BY diaobjectid FOR NO KEY UPDATE",
        (distinct(objects).tolist(),),
    ).fetchall()
    values = np.array(rows, dtype=[("id", np.int64), ("ra", np.float64), ("dec", np.float64), ("mjd", np.float64)])
    return Positions(values["id"].copy(), values["ra"].copy(), values["dec"].copy(), mjd=values["mjd"].copy())


def _forget(connection: Connection, kind: Kind, identifier: int, revision: int) -> Rematched:
    """Delete the hits of a list that is no longer matched."""
    table, key = _HITS[kind]
    losers = _delete_hits(connection, table, key, [identifier])
    if losers and kind == "watchlist":
        name_objects(connection, np.array(losers, np.int64))
    connection.execute("DELETE FROM rematch WHERE kind = %s AND list_id = %s", (kind, identifier))
    return Rematched(0, 0, len(losers), 0, revision)


def _count(connection: Connection, kind: Kind, identifier: int) -> int:
    table, key = _HITS[kind]
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(key)),
        (identifier,),
    ).fetchone()
    return int(row[0]) if row else 0

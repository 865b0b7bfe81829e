"""Past objects against a list that changed: only that list, and of a watchlist only its new cones."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from mocpy import MOC
from psycopg import sql

from broker_assets.sky.areas import build_area_index
from broker_assets.sky.hits import (
    SKY_MAP_LEVEL,
    Origin,
    objects_in_cells,
    write_area_hits,
    write_cone_hits,
    write_sky_map_hits,
)
from broker_assets.sky.indices import cone_rows, index_of_rows
from broker_assets.sky.lists import UnknownList
from broker_assets.sky.skymaps import read_sky_map

Kind = Literal["watchlist", "area", "sky_map"]

DAYS_BEFORE_EVENT = 21.0
"""Past objects of a sky map are those with an alert from so long before its event …"""
DAYS_AFTER_EVENT = 21.0
"""… to so long after it."""


@dataclass(frozen=True)
class Rematched:
    """What a re-match did."""

    candidates: int
    """Objects looked at."""
    hits: int
    """Hits written or changed."""
    total: int
    """Hits of the list afterwards."""


def lists_to_rematch(connection: psycopg.Connection[Any]) -> list[tuple[Kind, int, int]]:
    """Active lists that changed since they were matched against past objects: kind, id and revision."""
    return connection.execute(
        "SELECT list.kind, list.id, list.revision FROM"
        " (SELECT 'watchlist' AS kind, wl_id AS id, revision FROM watchlists"
        "  WHERE active AND (date_expire IS NULL OR date_expire > now())"
        "  UNION ALL SELECT 'area', ar_id, revision FROM areas"
        "  WHERE active AND (date_expire IS NULL OR date_expire > now())"
        "  UNION ALL SELECT 'sky_map', mw_id, 1 FROM mma_areas WHERE active AND active_until > now()"
        "  AND sky_map IS NOT NULL) AS list"
        " LEFT JOIN rematch ON rematch.kind = list.kind AND rematch.list_id = list.id"
        " WHERE rematch.revision IS DISTINCT FROM list.revision ORDER BY list.kind, list.id"
    ).fetchall()


def rematch(connection: psycopg.Connection[Any], kind: Kind, identifier: int) -> Rematched:
    """Match past objects against a list, in one transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    kind, identifier
        Which list.

    Raises
    ------
    UnknownList
        If there is no such list.
    """
    with connection.transaction():
        if kind == "watchlist":
            return _watchlist(connection, identifier)
        if kind == "area":
            return _area(connection, identifier)
        return _sky_map(connection, identifier)


def _watchlist(connection: psycopg.Connection[Any], watchlist: int) -> Rematched:
    row = connection.execute(
        "SELECT list.revision, list.whole_revision, coalesce(known.revision, 0), coalesce(known.largest_cone, 0)"
        " FROM watchlists AS list LEFT JOIN rematch AS known ON known.kind = 'watchlist' AND known.list_id = list.wl_id"
        " WHERE wl_id = %s FOR KEY SHARE OF list",
        (watchlist,),
    ).fetchone()
    if row is None:
        raise UnknownList(f"there is no watchlist {watchlist}")
    revision, whole_revision, known_revision, known_cone = row
    above = 0 if whole_revision > known_revision else known_cone
    if above == 0:  # the default radius may have shrunk: what lies beyond it now is in none of the cells looked at
        connection.execute(
            "DELETE FROM watchlist_hits AS hit USING watchlist_cones AS cone, watchlists AS list"
            " WHERE hit.wl_id = %s AND cone.cone_id = hit.cone_id AND list.wl_id = cone.wl_id"
            " AND hit.arcsec > coalesce(nullif(cone.radius, 0), list.radius)",
            (watchlist,),
        )
    wanted = sql.SQL(" WHERE cone.wl_id = {} AND cone_id > {} ORDER BY cone_id")
    index = index_of_rows(cone_rows(connection, wanted.format(sql.Literal(watchlist), sql.Literal(above))))
    positions = objects_in_cells(connection, np.unique(index.cells.cell))
    hits = write_cone_hits(connection, index, positions, Origin(index.version))
    largest = max(known_cone, int(index.cone.max())) if len(index) else known_cone
    return _done(connection, "watchlist", watchlist, revision, largest, len(positions), hits)


def _area(connection: psycopg.Connection[Any], area: int) -> Rematched:
    row = connection.execute("SELECT revision, moc FROM areas WHERE ar_id = %s FOR KEY SHARE", (area,)).fetchone()
    if row is None:
        raise UnknownList(f"there is no area {area}")
    index = build_area_index({area: MOC.from_fits(io.BytesIO(row[1]))})
    # Objects that were hits of the MOC before must be looked at, too: they may be none now.
    connection.execute(
        "DELETE FROM area_hits WHERE ar_id = %s AND index_version IS DISTINCT FROM %s", (area, index.content[0])
    )
    positions = objects_in_cells(connection, index.cells.cell)
    hits = write_area_hits(connection, index, positions, Origin(index.content[0]))
    return _done(connection, "area", area, row[0], 0, len(positions), hits)


def _sky_map(connection: psycopg.Connection[Any], identifier: int) -> Rematched:
    row = connection.execute(
        "SELECT event_tai, sky_map FROM mma_areas WHERE mw_id = %s FOR KEY SHARE", (identifier,)
    ).fetchone()
    if row is None or row[1] is None:
        raise UnknownList(f"there is no sky map {identifier}")
    sky_map = read_sky_map(row[1])
    cells = sky_map.cell[sky_map.contour <= SKY_MAP_LEVEL]
    positions = objects_in_cells(connection, cells, since=row[0] - DAYS_BEFORE_EVENT, until=row[0] + DAYS_AFTER_EVENT)
    hits = write_sky_map_hits(connection, identifier, sky_map, positions, Origin(sky_map.version))
    return _done(connection, "sky_map", identifier, 1, 0, len(positions), hits)


def _done(
    connection: psycopg.Connection[Any],
    kind: Kind,
    identifier: int,
    revision: int,
    largest_cone: int,
    candidates: int,
    hits: int,
) -> Rematched:
    table, key = {
        "watchlist": ("watchlist_hits", "wl_id"), "area": ("area_hits", "ar_id"), "sky_map": ("mma_area_hits", "mw_id"),
    }[kind]  # fmt: skip
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(key)),
        (identifier,),
    ).fetchone()
    total = int(row[0]) if row else 0
    connection.execute(
        "INSERT INTO rematch (kind, list_id, revision, largest_cone, hits) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (kind, list_id) DO UPDATE SET revision = EXCLUDED.revision,"
        " largest_cone = EXCLUDED.largest_cone, hits = EXCLUDED.hits, matched_at = now()",
        (kind, identifier, revision, largest_cone, total),
    )
    return Rematched(candidates, hits, total)

"""The objects inside a watchlist, an area or a sky map, as tables for people. Read-only."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

MOST: Final = 1000
"""Rows that a page shows at most, as in Lasair."""
LEAST_RANK: Final = 0.005
"""Objects whose rank is below this, where the best one of a sky map has 1, are left out."""

_OBJECT: Final = (
    "hit.diaobjectid, object.ra, object.decl, object.ndiasources, object.lastdiasourcemjdtai, object.tns_name,"
    " (SELECT classification FROM sherlock_classifications AS context WHERE context.diaobjectid = hit.diaobjectid"
    " LIMIT 1) AS classification"
)


def watchlist_hits(connection: psycopg.Connection[Any], watchlist: int, *, limit: int = MOST) -> list[dict[str, Any]]:
    """Objects inside the cones of a watchlist, the one that was seen last first.

    Returns
    -------
    list of dict
        `diaobjectid`, `ra`, `decl` (deg, ICRS), `ndiasources`, `lastdiasourcemjdtai` (MJD TAI), `tns_name`,
        `classification`; `cone_id`, `name`, `arcsec` and `found_at` of the hit.
    """
    return _rows(
        connection,
        f"SELECT {_OBJECT}, cone_id, hit.name, arcsec, found_at FROM watchlist_hits AS hit"  # noqa: S608
        " LEFT JOIN objects AS object USING (diaobjectid) WHERE wl_id = %s"
        " ORDER BY lastdiasourcemjdtai DESC NULLS LAST, hit.diaobjectid LIMIT %s",
        (watchlist, limit),
    )


def area_hits(connection: psycopg.Connection[Any], area: int, *, limit: int = MOST) -> list[dict[str, Any]]:
    """Objects inside an area, the one that was seen last first; columns of objects as of `watchlist_hits`."""
    return _rows(
        connection,
        f"SELECT {_OBJECT}, found_at FROM area_hits AS hit LEFT JOIN objects AS object USING (diaobjectid)"  # noqa: S608
        " WHERE ar_id = %s ORDER BY lastdiasourcemjdtai DESC NULLS LAST, hit.diaobjectid LIMIT %s",
        (area, limit),
    )


def last_hit(connection: psycopg.Connection[Any], kind: str, owner: str | None = None) -> dict[int, Any]:
    """When each watchlist or area last got a hit, by number.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    kind : str
        `watchlist` or `area`.
    owner : str, optional
        Only lists of this owner.
    """
    table, key, lists = {
        "watchlist": ("watchlist_hits", "wl_id", "watchlists"), "area": ("area_hits", "ar_id", "areas"),
    }[kind]  # fmt: skip
    rows = connection.execute(
        f"SELECT {key}, max(found_at) FROM {table} JOIN {lists} USING ({key})"  # noqa: S608
        " WHERE %(owner)s::text IS NULL OR owner = %(owner)s GROUP BY 1",
        {"owner": owner},
    )
    return dict(rows.fetchall())


def ranking(connection: psycopg.Connection[Any], sky_map: int, *, limit: int = 100) -> list[dict[str, Any]]:
    """Objects inside a sky map, the best candidate first.

    The rank is the probability density at the object (`probdens3` with its distance where that is known, else
    `probdens2`), divided by the largest of its kind; objects below 0.005 are left out.

    Returns
    -------
    list of dict
        Columns of objects as of `watchlist_hits`; `contour` (per cent), `distance`, `distmu`, `distsigma` (Mpc),
        `rank`, and `with_distance`, whether the distance contributes to the rank.
    """
    return _rows(
        connection,
        f"SELECT * FROM (SELECT {_OBJECT}, contour, distance, distmu, distsigma, probdens3 IS NOT NULL"  # noqa: S608
        " AS with_distance, coalesce(probdens3 / nullif(max(probdens3) OVER (), 0),"
        " probdens2 / nullif(max(probdens2) OVER (), 0)) AS rank FROM mma_area_hits AS hit"
        " LEFT JOIN objects AS object USING (diaobjectid) WHERE mw_id = %s) AS ranked WHERE rank >= %s"
        " ORDER BY rank DESC, diaobjectid LIMIT %s",
        (sky_map, LEAST_RANK, limit),
    )


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows of these tables as CSV, with their columns in the first line; empty without rows.

    Texts that a spreadsheet would take for a formula are preceded by a single quote.

    Examples
    --------
    >>> as_csv([{"diaobjectid": 7, "name": "=1+1", "arcsec": None}])
    "diaobjectid,name,arcsec\\r\\n7,'=1+1,\\r\\n"
    """
    if not rows:
        return ""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value
            for value in row.values()
        )
    return written.getvalue()


def _rows(connection: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, values).fetchall()  # type: ignore[call-overload]

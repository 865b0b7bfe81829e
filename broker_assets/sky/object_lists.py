"""Watchlists, areas and sky maps that an object lies in, limited to those that an account may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.access.visibility import readable_sql, reader

_WATCHLISTS: Final = (
    "SELECT list.wl_id AS id, list.name AS list, list.owner, hit.name AS entry, hit.arcsec FROM watchlist_hits AS hit"  # noqa: S608
    " JOIN watchlists AS list USING (wl_id) WHERE hit.diaobjectid = %(object)s AND list.active"
    f" AND {readable_sql('list', 'list.wl_id::text')}"
    " ORDER BY hit.arcsec, list.wl_id LIMIT %(most)s"
)
_AREAS: Final = (
    "SELECT list.ar_id AS id, list.name AS list, list.owner, list.square_degrees FROM area_hits AS hit"  # noqa: S608
    " JOIN areas AS list USING (ar_id) WHERE hit.diaobjectid = %(object)s AND list.active"
    f" AND {readable_sql('list', 'list.ar_id::text')}"
    " ORDER BY list.square_degrees, list.ar_id LIMIT %(most)s"
)
_SKY_MAPS: Final = (
    "SELECT map.mw_id AS id, map.otherid AS event, map.namespace, map.event_date, hit.contour, hit.distance"
    " FROM mma_area_hits AS hit JOIN mma_areas AS map USING (mw_id)"
    " WHERE hit.diaobjectid = %(object)s AND map.retracted_at IS NULL ORDER BY hit.contour, map.mw_id LIMIT %(most)s"
)
MOST: Final = 200
"""Lists of each kind, at most."""


def lists_of_object(
    connection: psycopg.Connection[Any],
    diaobjectid: int,
    *,
    viewer: str | None,
    watchlists: Collection[str] = (),
    areas: Collection[str] = (),
    everything: bool = False,
) -> dict[str, list[dict[str, Any]]]:
    """The lists that the newest position of an object lies in.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : int
        The object.
    viewer : str or None
        Account that asks; None is a guest.
    watchlists, areas : collection of str
        Numbers of lists that are shared with the account.
    everything : bool
        Whether it may see all, as administrators may.

    Returns
    -------
    dict
        `watchlists` (`id`, `list`, `owner`, `entry`, `arcsec`), `areas` (`id`, `list`, `owner`, `square_degrees`) and
        `sky_maps` (`id`, `event`, `namespace`, `event_date`, `contour`, `distance`).
    """

    def rows(query: str, shared: Collection[str]) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            values = {"object": diaobjectid, "most": MOST, **reader(viewer, shared, everything=everything)}
            cursor.execute(query, values)
            return cursor.fetchall()

    return {
        "watchlists": rows(_WATCHLISTS, watchlists),
        "areas": rows(_AREAS, areas),
        "sky_maps": rows(_SKY_MAPS, ()),
    }

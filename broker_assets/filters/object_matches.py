"""Filters that an object passed, as far as an account may see them, and the account's own filters that it missed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.access.visibility import readable_sql, reader
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources

MOST: Final = 200
"""Most filters that are returned."""


def matches_of_object(
    connection: psycopg.Connection[Any],
    diaobjectid: int,
    *,
    viewer: str | None,
    shared: Collection[str] = (),
    everything: bool = False,
) -> list[dict[str, Any]]:
    """The filters that an object passed, the latest first.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : int
        The object.
    viewer : str or None
        Account that asks; None is a guest.
    shared : collection of str
        Numbers of filters that are shared with the account.
    everything : bool
        Whether it may see all, as administrators may.

    Returns
    -------
    list of dict
        `filterid`, `name`, `owner`, `matches` (alerts that passed), `first_night`, `last_night`, and `diasourceid` of
        an alert of the last night.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT filter.filterid, filter.name, filter.owner, count(*) AS matches, min(hit.night) AS first_night,"  # noqa: S608
            " max(hit.night) AS last_night, (array_agg(hit.diasourceid ORDER BY hit.night DESC))[1] AS diasourceid"
            " FROM filter_matches AS hit JOIN filters AS filter USING (filterid) WHERE hit.diaobjectid = %(object)s"
            f" AND {readable_sql('filter', 'filter.filterid::text')}"
            " GROUP BY 1, 2, 3 ORDER BY last_night DESC, filterid LIMIT %(most)s",
            {"object": diaobjectid, "most": MOST, **reader(viewer, shared, everything=everything)},
        )
        return cursor.fetchall()


def match_times(
    connection: psycopg.Connection[Any],
    diaobjectid: int,
    *,
    viewer: str | None,
    shared: Collection[str] = (),
    everything: bool = False,
) -> list[tuple[float, str]]:
    """When the alerts of an object passed filters.

    Parameters
    ----------
    connection, diaobjectid, viewer, shared, everything
        See `matches_of_object`.

    Returns
    -------
    list of (float, str)
        Time of the triggering detection (MJD TAI), ascending, and the names of the filters that it passed, separated by
        commas; detections that are no longer stored are left out.
    """
    rows = ask(
        connection,
        "SELECT source.midpointmjdtai, string_agg(DISTINCT filter.name, ', ' ORDER BY filter.name)"  # noqa: S608
        " FROM filter_matches AS hit JOIN filters AS filter USING (filterid) JOIN LATERAL ("
        "SELECT midpointmjdtai FROM diasources WHERE diaobjectid = hit.diaobjectid AND diasourceid = hit.diasourceid"
        " ORDER BY midpointmjdtai DESC LIMIT 1) AS source ON true WHERE hit.diaobjectid = %(object)s"
        f" AND {readable_sql('filter', 'filter.filterid::text')} GROUP BY 1 ORDER BY 1 DESC LIMIT %(most)s",
        {diasources: [[("diaobjectid", "=", diaobjectid)]]},
        {"object": diaobjectid, "most": MOST, **reader(viewer, shared, everything=everything)},
    ).fetchall()
    return [(float(time), names) for time, names in reversed(rows)]


def missed_filters(connection: psycopg.Connection[Any], diaobjectid: int, *, owner: str) -> list[dict[str, Any]]:
    """Active filters of an account that no alert of an object passed.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : int
        The object.
    owner : str
        The account.

    Returns
    -------
    list of dict
        `filterid`, `name`.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT filterid, name FROM filters AS filter WHERE owner = %(owner)s AND active AND NOT EXISTS (SELECT 1"
            " FROM filter_matches AS hit WHERE hit.diaobjectid = %(object)s AND hit.filterid = filter.filterid)"
            " ORDER BY name, filterid LIMIT %(most)s",
            {"owner": owner, "object": diaobjectid, "most": MOST},
        )
        return cursor.fetchall()

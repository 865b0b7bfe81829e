"""Recently detected objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.border import TIME, Conditions, Test
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch
from broker_assets.database.reductions import ALERTS, COMPARED, points
from broker_assets.database.tables import diaforcedsources, diasources

DAYS: Final = 30.0
"""Default number of days before now within which an object must have been detected."""
SIGNIFICANT: Final = 5.0
"""Signal-to-noise ratio above which forced photometry counts as a detection, on request."""

# The newest detection of each object is stored, for imported objects and for those of the stream; both are indexed.
_RECENT: Final = (
    "SELECT diaobject_id FROM elasticc2_diaobjectdetails WHERE latestsourcemjd >= {since}"
    " UNION SELECT diaobject_id FROM objects JOIN elasticc2_diaobjectdetails ON diaobject_id = diaobjectid"
    " WHERE lastdiasourcemjdtai >= {since}"
)


def hot_objects(
    connection: psycopg.Connection[Any],
    since: float,
    *,
    until: float | None = None,
    gentypes: Sequence[int] | None = None,
    by_forced: bool = False,
    reductions: Mapping[int, int] = ALERTS,
) -> NDArray[np.int64]:
    """Find the objects that were detected within some time.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    since : float
        Beginning, MJD TAI, inclusive.
    until : float, optional
        End, MJD TAI, inclusive.
    gentypes : sequence of int, optional
        Models of the simulation: only objects whose truth is one of these.
    by_forced : bool
        Whether a detection is a forced measurement of more than `SIGNIFICANT` times its uncertainty, not a source.
    reductions : mapping of int to int
        Reductions whose detections count, by priority. A source of any of them suffices; of the forced measurements of
        a visit, that of the highest priority counts.

    Returns
    -------
    (n,) int64 array
        Objects, ascending.
    """
    begin = sql.Literal(since)
    tables: dict[sa.Table, Conditions] = {}
    of_time: list[list[Test]] = [[(TIME, ">=", since)]]
    if until is not None:
        of_time.append([(TIME, "<=", until)])
    if by_forced:
        tables = {diaforcedsources: [*of_time, [("reduction", "in", list(reductions))]]}
        within = sql.SQL("midpointmjdtai >= {} AND midpointmjdtai <= {}").format(begin, _end(until))
        # Of the points of a visit, that of the highest priority says whether it is significant.
        chosen = points(
            "diaforcedsources",
            ["diaobjectid", "psfflux", "psffluxerr"],
            sql.SQL("{} AND EXISTS (SELECT FROM elasticc2_diaobjectdetails WHERE diaobject_id = diaobjectid)").format(
                within
            ),
            reductions,
        )
        query = sql.SQL("SELECT DISTINCT diaobjectid FROM ({}) AS chosen WHERE psfflux > {} * psffluxerr").format(
            chosen, sql.Literal(SIGNIFICANT)
        )
    elif set(reductions) != {0}:
        # The newest detection is not stored for other reductions.
        tables = {diasources: [*of_time, [("reduction", "in", list(reductions))]]}
        query = sql.SQL(
            "SELECT diaobject_id FROM elasticc2_diaobjectdetails WHERE EXISTS (SELECT FROM diasources"
            " WHERE diaobjectid = diaobject_id AND {compared} = ANY({reductions}::smallint[])"
            " AND midpointmjdtai >= {since} AND midpointmjdtai <= {until})"
        ).format(compared=COMPARED, reductions=sql.Literal(list(reductions)), since=begin, until=_end(until))
    else:
        query = sql.SQL(_RECENT).format(since=begin)
        if until is not None:
            # The newest detection may be later than the end.
            tables = {diasources: [*of_time, [("reduction", "=", 0)]]}
            query = sql.SQL(
                "SELECT diaobject_id FROM ({recent}) AS recent WHERE EXISTS (SELECT FROM diasources"
                " WHERE diaobjectid = diaobject_id AND {compared} = 0 AND midpointmjdtai >= {since}"
                " AND midpointmjdtai <= {until})"
            ).format(recent=query, compared=COMPARED, since=begin, until=_end(until))
    if gentypes is not None:
        query = sql.SQL(
            "SELECT found.number FROM ({found}) AS found (number) JOIN elasticc2_diaobjecttruth AS truth"
            " ON truth.diaobject_id = found.number WHERE truth.gentype = ANY({gentypes}::int[])"
        ).format(found=query, gentypes=sql.Literal(list(gentypes)))
    whole = across(connection, query, tables, most=MOST_BEYOND)
    found = fetch(connection, whole, pa.schema([("number", pa.int64())]))["number"].to_numpy()  # type: ignore[arg-type]
    result: NDArray[np.int64] = np.sort(found)
    return result


def _end(until: float | None) -> sql.Literal:
    return sql.Literal(float("inf") if until is None else until)

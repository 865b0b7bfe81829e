"""Recently detected root objects in a processing version."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from broker_assets.database.border import TIME, Test
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import Roots, find_roots
from broker_assets.tom.versions.definitions import Version

# The newest detection in alerts is stored for each object, for imported ones and for those of the stream.
_RECENT: Final = (
    "SELECT diaobject_id AS diaobjectid FROM elasticc2_diaobjectdetails WHERE latestsourcemjd >= {since}"
    " UNION SELECT diaobjectid FROM objects WHERE lastdiasourcemjdtai >= {since}"
)
# The reduction is hidden from the index, as in `reductions.COMPARED`: comparing it afterwards saves a fifth of the
# time.
_POINTS: Final = (
    "FROM diasources AS point WHERE point.midpointmjdtai >= {since}"
    " AND point.midpointmjdtai <= {until} AND (point.reduction + 0::smallint) = ANY({reductions}::smallint[])"
    " AND timewithdrawnmjdtai IS NULL AND NOT EXISTS (SELECT FROM reassigned_sources AS moved"
    " WHERE moved.diasourceid = point.diasourceid AND moved.reduction = point.reduction"
    " AND moved.diaobjectid <> point.diaobjectid)"
)


def hot_roots(connection: psycopg.Connection[Any], version: Version, since: float, until: float | None = None) -> Roots:
    """Find the root objects that were detected in an interval of time.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    version : Version
        Version whose detections count.
    since, until : float
        Beginning and end, MJD TAI, both inclusive; default: no end.

    Returns
    -------
    Roots
        Sorted by identifier.
    """
    reductions = version.reductions(definitions.DETECTIONS)
    end = sql.Literal(float("inf") if until is None else until)

    def values(chosen: list[int]) -> dict[str, sql.Literal]:
        return {"since": sql.Literal(since), "until": end, "reductions": sql.Literal(chosen)}

    parts: list[sql.Composable] = []
    if 0 in reductions:
        parts.append(
            sql.SQL(
                "SELECT known.rootid FROM ({recent}) AS recent JOIN diaobject AS known USING (diaobjectid)"
                " WHERE EXISTS (SELECT {points} AND point.diaobjectid = recent.diaobjectid)"
            ).format(
                recent=sql.SQL(_RECENT).format(since=sql.Literal(since)),
                points=sql.SQL(_POINTS).format(**values([0])),
            )
        )
    others = sorted(set(reductions) - {0})
    if others:
        # The newest detection is not stored for other reductions: all their points in the interval are read.
        parts.append(
            sql.SQL(
                "SELECT known.rootid FROM diaobject AS known JOIN (SELECT DISTINCT point.diaobjectid {}) AS recent"
                " USING (diaobjectid)"
            ).format(sql.SQL(_POINTS).format(**values(others)))
        )
    if not parts:
        return find_roots(connection, [])
    query = sql.SQL(" UNION ").join(parts)
    asked: list[list[Test]] = [[(TIME, ">=", since)], [("reduction", "in", sorted(reductions))]]
    if until is not None:
        asked.append([(TIME, "<=", until)])
    return find_roots(connection, [row[0] for row in ask(connection, query, {diasources: asked})])

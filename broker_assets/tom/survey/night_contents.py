"""Content of a night of the simulation at each step of a cycle: the number of rows, and a version of the content.

Versions are sums of hashes: they depend neither on the order of the rows nor on how often a step was run.
"""

from __future__ import annotations

import datetime
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np
import psycopg
import sqlalchemy as sa

from broker_assets.database.border import TIME, Conditions
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources
from broker_assets.database.tables.tom import SOURCE_VIEW
from broker_assets.tom.survey.nights import MJD_EPOCH, night_window
from broker_assets.tom.survey.selection import Window

Connection = psycopg.Connection[Any]


class Content(NamedTuple):
    """Rows of a night."""

    rows: int
    version: str
    """Equal for equal rows."""


_SOURCES: Final[LiteralString] = (
    "(SELECT diasource_id, diaobject_id FROM elasticc2_ppdbdiasource"
    " WHERE midpointtai >= %(start)s AND midpointtai <= %(through)s) AS source"
)
_STEPS: Final[dict[str, LiteralString]] = {
    "sent": (
        "SELECT hashint8extended(alert_id, 0) AS hash FROM elasticc2_ppdbalert JOIN " + _SOURCES +  # noqa: S608
        " USING (diasource_id, diaobject_id) WHERE alertsenttimestamp IS NOT NULL"
    ),
    "messages": (
        "SELECT hash_record_extended((alert_id, classifier_id, classid, probability), 0) AS hash"  # noqa: S608
        " FROM elasticc2_brokermessage AS message JOIN " + _SOURCES + " ON source.diasource_id = message.diasource_id"
    ),
    "reported": (
        "SELECT hashint8extended(diasource_id, 0) AS hash FROM elasticc2_diasource"
        " WHERE midpointtai >= %(start)s AND midpointtai <= %(through)s"
    ),
    "rollups": (
        "SELECT hash_record_extended((diaobject_id, filtername, firstsource_id, latestsource_id, maxforcedsource_id,"
        " latestforcedsource_id), 0) AS hash FROM elasticc2_diaobjectinfo WHERE diaobject_id IN (SELECT diaobject_id"
        " FROM elasticc2_diasource WHERE midpointtai >= %(start)s AND midpointtai <= %(through)s)"
        " UNION ALL SELECT hash_record_extended((diaobject_id, classifier_id, latestclass1id, latestclass1prob), 0)"
        " FROM elasticc2_diaobjectclassification WHERE diaobject_id IN (SELECT diaobject_id"
        " FROM elasticc2_diasource WHERE midpointtai >= %(start)s AND midpointtai <= %(through)s)"
    ),
}  # fmt: skip
"""Rows of a night at each step, by their hashes."""


def content(connection: Connection, step: str, evening: datetime.date) -> Content:
    """Content of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    step : {'sent', 'messages', 'reported', 'rollups'}
        Alerts that were sent; messages about its alerts; detections that were imported; roll-ups of their objects.
    evening : date
        The night.
    """
    chosen = night_window(evening)
    row = ask(
        connection,
        "SELECT count(*), coalesce(sum(hash::numeric), 0) FROM (" + _STEPS[step] + ") AS rows",  # noqa: S608
        _within(chosen),
        {"start": chosen.start, "through": chosen.through},
        views=SOURCE_VIEW,
    ).fetchone()
    count, total = (0, 0) if row is None else row
    return Content(int(count), f"{int(count)}-{int(total) % 2**64:016x}")


def simulated_nights(connection: Connection) -> list[datetime.date]:
    """Nights of the survey that have detections, by time."""
    return [
        MJD_EPOCH + datetime.timedelta(days=int(day))
        for (day,) in connection.execute(
            "SELECT DISTINCT ceil(midpointtai - 0.5)::bigint - 1 FROM elasticc2_ppdbdiasource ORDER BY 1"
        )
    ]


def nights_to_send(connection: Connection, most: int) -> list[datetime.date]:
    """The first nights with alerts that were not sent."""
    return [
        MJD_EPOCH + datetime.timedelta(days=int(day))
        for (day,) in connection.execute(
            "SELECT DISTINCT ceil(source.midpointtai - 0.5)::bigint - 1 FROM elasticc2_ppdbdiasource AS source"
            " JOIN elasticc2_ppdbalert AS alert USING (diasource_id, diaobject_id)"
            " WHERE alert.alertsenttimestamp IS NULL ORDER BY 1 LIMIT %s",
            (most,),
        )
    ]


def survey_content(connection: Connection) -> Content:
    """Content of the loaded survey: its detections."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(hashint8extended(diasource_id, 0)::numeric), 0) FROM elasticc2_ppdbdiasource"
    ).fetchone()
    count, total = (0, 0) if row is None else row
    return Content(int(count), f"{int(count)}-{int(total) % 2**64:016x}")


def objects_of_night(connection: Connection, evening: datetime.date) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Objects that have an imported detection in a night."""
    chosen = night_window(evening)
    rows = ask(
        connection,
        "SELECT DISTINCT diaobject_id FROM elasticc2_diasource"
        " WHERE midpointtai >= %s AND midpointtai <= %s ORDER BY diaobject_id",
        _within(chosen),
        (chosen.start, chosen.through),
        views=SOURCE_VIEW,
    ).fetchall()
    return np.array([number for (number,) in rows], np.int64)


def _within(chosen: Window) -> dict[sa.Table, Conditions]:
    """Conditions for the detections of a night, in every table."""
    return {diasources: [[(TIME, ">=", chosen.start)], [(TIME, "<=", chosen.through)]]}

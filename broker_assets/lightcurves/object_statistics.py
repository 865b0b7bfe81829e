"""Statistics of the objects of a night, from their stored light curves: outside the stream, after the night.

The rows of a night are those of the objects that had an alert in it. They are computed from the packets of that night
and earlier ones, so that a night that is computed again has equal rows. They are facts: a later night adds its own.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.accounting.facts import NightRows, row_hashes
from broker_assets.database import copy
from broker_assets.database.border import TIME, Conditions
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import diasources, object_statistics
from broker_assets.lightcurves.pictures import distributions
from broker_assets.lightcurves.statistics import OVER_BANDS, statistics
from broker_assets.lightcurves.stored_curves import night_end, stored_curves

ASSET: Final = "object_statistics"
OBJECTS: Final = 20_000
"""Objects whose light curves are in memory at a time."""
_LOCK: Final = 0x73746174
"""Class of the advisory locks on nights."""
_SHOWN: Final = {
    "npoints": "points",
    "stetsonk": "Stetson K",
    "eta": "η",
    "period": "period [d]",
    "bazinrisetime": "rise time [d]",
}
_SAMPLE: Final = 20_000
"""Rows of a night that its plots show, at most."""

_ALERTS: Final = sql.SQL(
    "SELECT DISTINCT ON (diaobjectid) diaobjectid, diasourceid FROM diasources WHERE night = {}::date"
    " AND archivefileid IS NOT NULL AND diaobjectid <> 0 AND reduction = 0"
    " AND midpointmjdtai >= {}::float8 AND midpointmjdtai < {}::float8"
    " ORDER BY diaobjectid, midpointmjdtai DESC, diasourceid DESC"
)
_ALERT_SCHEMA: Final = pa.schema([("diaobjectid", pa.int64()), ("diasourceid", pa.int64())])


def compute_night(connection: psycopg.Connection[Any], night: str) -> NightRows:
    """Compute the statistics of a night and replace those that are stored.

    Parameters
    ----------
    connection : psycopg.Connection
        In the caller's transaction: readers see the old rows until it commits, then the new ones.
    night : str
        Key `YYYY-MM-DD`.
    """
    day = datetime.date.fromisoformat(night)
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, day.toordinal()))
    connection.execute("DELETE FROM object_statistics WHERE night = %s", (day,))
    # Nights of all observatories begin less than two days before the last one ends.
    end = night_end(day)
    query = _ALERTS.format(sql.Literal(night), sql.Literal(end - 2.0), sql.Literal(end))
    of_night: Conditions = [[("night", "=", day)], [(TIME, ">=", end - 2.0)], [(TIME, "<", end)]]
    whole = across(connection, query, {diasources: of_night}, most=MOST_BEYOND)
    alerts = fetch(connection, whole, _ALERT_SCHEMA)  # type: ignore[arg-type]
    written, checksum = 0, 0
    for begin in range(0, alerts.num_rows, OBJECTS):
        rows = _rows(connection, alerts.slice(begin, OBJECTS), day)
        with connection.cursor() as cursor:
            copy.load(cursor, object_statistics, rows)
        written += rows.num_rows
        checksum += int(np.add.reduce(row_hashes(rows), dtype=np.uint64))
    return NightRows(alerts.num_rows, written, checksum % (1 << 64))


def _rows(connection: psycopg.Connection[Any], alerts: pa.Table, night: datetime.date) -> pa.Table:
    curves = stored_curves(connection, alerts["diaobjectid"].to_numpy(), night=night)
    rows = statistics(curves)
    owner = rows["object"]
    nights = pa.repeat(pa.scalar(night, pa.date32()), rows.num_rows)
    keyed = {"diaobjectid": alerts["diaobjectid"].take(owner), "night": nights}
    keyed["diasourceid"] = alerts["diasourceid"].take(owner)
    for name, column in keyed.items():
        rows = rows.append_column(name, column)
    return rows.drop_columns(["object"])


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """What materialisations of a night show: shares of objects with the costly statistics, and distributions.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.
    """
    rows = connection.execute(
        sql.SQL(
            "SELECT {} FROM (SELECT npoints, stetsonk, eta, period, max(bazinrisetime) OVER (PARTITION BY diaobjectid)"
            " AS bazinrisetime, band FROM object_statistics WHERE night = %s LIMIT %s) AS found WHERE band = %s"
        ).format(sql.SQL(", ").join(map(sql.Identifier, _SHOWN))),
        (night, _SAMPLE, OVER_BANDS),
    ).fetchall()
    if not rows:
        return {}
    return {"objects sampled": len(rows), **distributions(rows, _SHOWN)}

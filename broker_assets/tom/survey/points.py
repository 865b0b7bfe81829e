"""Light curves of objects of the survey, read from its tables as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import tom
from broker_assets.tom.survey.alerts import documents
from broker_assets.tom.survey.fields import FORCED_COLUMNS, OBJECT_COLUMNS, SOURCE_COLUMNS
from broker_assets.tom.survey.reconstruction import BEFORE_FIRST_DAYS, DAYS, LightCurves

Connection = psycopg.Connection[Any]


def read_light_curves(
    connection: Connection, objects: Iterable[int], *, since: float | None = None, before: float | None = None
) -> LightCurves:
    """Read the points of some objects.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    objects : iterable of int
        The objects; those that do not exist are left out.
    since : float, optional
        Time of the first forced points, MJD; earlier ones are left out. Detections are read from the first one on,
        since that determines which forced points an alert has.
    before : float, optional
        Time of the last points, MJD.
    """
    ids = sorted(set(objects))
    low = -float("inf") if since is None else since
    high = float("inf") if before is None else before
    return LightCurves.of(
        _read(connection, tom.ppdbdiaobject, OBJECT_COLUMNS, ids),
        _read(connection, tom.ppdbdiasource, SOURCE_COLUMNS, ids, -float("inf"), high),
        _read(connection, tom.ppdbdiaforcedsource, FORCED_COLUMNS, ids, low, high),
    )


def _read(
    connection: Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    ids: list[int],
    low: float | None = None,
    high: float | None = None,
) -> pa.Table:
    schema = pa.schema([(name, arrow_type(table.c[name].type)) for name in columns])
    query = sql.SQL("SELECT {columns} FROM {table} WHERE diaobject_id = ANY({ids})").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table.name),
        ids=sql.Literal(ids) if ids else sql.SQL("'{{}}'::bigint[]"),
    )
    if low is not None and low > -float("inf"):
        query += sql.SQL(" AND midpointtai >= {}").format(sql.Literal(low))
    if high is not None and high < float("inf"):
        query += sql.SQL(" AND midpointtai <= {}").format(sql.Literal(high))
    return fetch(connection, query, schema)


def alert_document(
    connection: Connection, alert_id: int, *, days: float = DAYS, most_forced: int | None = None
) -> dict[str, Any]:
    """An alert of the survey as a document; see `alerts.documents`.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    alert_id : int
        The alert.
    days : float
        Length of the history, days.
    most_forced : int, optional
        Most forced points; the latest are kept.

    Raises
    ------
    LookupError
        If there is no such alert.
    """
    found = connection.execute(
        "SELECT alert.diasource_id, alert.diaobject_id, source.midpointtai FROM elasticc2_ppdbalert AS alert"
        " JOIN elasticc2_ppdbdiasource AS source ON source.diasource_id = alert.diasource_id"
        " AND source.diaobject_id = alert.diaobject_id WHERE alert.alert_id = %s",
        (alert_id,),
    ).fetchone()
    if found is None:
        raise LookupError(f"there is no alert {alert_id}")
    source, thing, mjd = found
    curves = read_light_curves(connection, [thing], since=mjd - max(days, BEFORE_FIRST_DAYS), before=mjd)
    return documents(curves, np.array([alert_id]), np.array([source]), days=days, most_forced=most_forced)[0]

"""Alerts of the survey, reconstructed."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response

from broker_assets.api.connections import Connections
from broker_assets.api.tom.answers import EXPECTED, Json, TomError
from broker_assets.api.tom.bodies import Body, integer, parsed
from broker_assets.api.tom.entrance import admitted
from broker_assets.tom.survey.alerts import documents
from broker_assets.tom.survey.points import read_light_curves
from broker_assets.tom.survey.reconstruction import LightCurves

_WHERE: Final = "Exception in GetAlert: "


def get_alert(request: Request, body: Body) -> Response:
    """An alert by its number or by that of its detection, with a year of history."""
    admitted(request)
    given = parsed(body, _WHERE)
    if not isinstance(given, dict) or not {"alertid", "sourceid"} & set(given):
        raise TomError(f"{_WHERE}Must supply either alertid or sourceid", EXPECTED)
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        if "alertid" in given:
            number = integer(given["alertid"], _WHERE, "alertid")
            found = _find(connection, "alert_id", number)
            if found is None:
                raise TomError(f"{_WHERE}PPDBAlert matching query does not exist.", EXPECTED)
        else:
            number = integer(given["sourceid"], _WHERE, "sourceid")
            found = _find(connection, "diasource_id", number)
            if found is None:
                raise TomError(f"{_WHERE}Unknown sourceid {number}", EXPECTED)
        alert, source, thing, mjd = found
        curves = read_light_curves(connection, [thing], before=float(mjd))
    shown = LightCurves(*(_shortest(table) for table in (curves.objects, curves.sources, curves.forced)))
    return Json(documents(shown, pa.array([alert]).to_numpy(), pa.array([source]).to_numpy())[0])


def _find(connection: psycopg.Connection[Any], column: str, number: int) -> tuple[Any, ...] | None:
    query = (
        "SELECT alert_id, alert.diasource_id, alert.diaobject_id, midpointtai FROM elasticc2_ppdbalert AS alert"  # noqa: S608
        " JOIN elasticc2_ppdbdiasource AS source ON source.diasource_id = alert.diasource_id"
        f" AND source.diaobject_id = alert.diaobject_id WHERE alert.{column} = %s LIMIT 1"
    )
    return connection.execute(query, (number,)).fetchone()  # type: ignore[arg-type]


def _shortest(table: pa.Table) -> pa.Table:
    """32-bit floats as 64-bit floats with the same shortest decimal form."""
    columns = [
        column.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, table.column_names)

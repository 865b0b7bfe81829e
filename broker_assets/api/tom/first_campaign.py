"""The first campaign over HTTP: its tables, the endpoints of its loader, its messages, and its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import psycopg
from fastapi import Request
from fastapi.responses import Response
from psycopg.rows import dict_row

from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.api.authentication import accounts_of
from broker_assets.api.conflicts import again
from broker_assets.api.connections import Connections
from broker_assets.api.documents import Document
from broker_assets.api.site.frame import page
from broker_assets.api.tom.answers import Json, TomError
from broker_assets.api.tom.bodies import Body, integer, numbers, parsed
from broker_assets.api.tom.classifications import asked
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.api.tom.summary_charts import charts_of
from broker_assets.api.tom.tables import Listed, count_of, found_row, page_of
from broker_assets.database.tables.tom import elasticc1
from broker_assets.tom.first_campaign import summaries, writing
from broker_assets.tom.first_campaign.alerts import alert_documents
from broker_assets.tom.first_campaign.messages import read_first_messages
from broker_assets.tom.first_campaign.writing import BadDocumentError

_MOST_ALERTS: Final = 1000
"""Most alerts in an answer."""


def _columns(table: Any) -> tuple[str, ...]:
    return tuple(table.c.keys())


_OBJECT: Final = {"diaObjectId": "diaObject"}
OBJECTS: Final = Listed("elasticc_diaobject", "diaObjectId", _columns(elasticc1.diaobject), "DiaObject")
SOURCES: Final = Listed(
    "elasticc_diasource", "diaSourceId", _columns(elasticc1.diasource), "DiaSource", renamed=_OBJECT
)  # fmt: skip
_POINT: Final = ("diaSourceId", "diaObjectId", "mjd", "detect", "gentype", "genmag")
TRUTH: Final = Listed(
    "elasticc_diatruth", "diaSourceId", _POINT, "DiaTruth", permission=ELASTICC_ADMIN
)  # fmt: skip
ALERTS: Final = Listed("elasticc_diaalert", "alertId", ("alertId",), "DiaAlert")
TABLES: Final = {"diaobject": OBJECTS, "diasource": SOURCES, "diatruth": TRUTH}
"""Table by path."""


def alerts(request: Request) -> Response:
    """Alerts page by page, reconstructed."""
    admitted(request, "json")
    found = page_of(request, ALERTS, _MOST_ALERTS)
    numbers_of_page = [row["alertId"] for row in found["results"]]
    with _connections(request).use() as connection:
        return Json({**found, "results": alert_documents(connection, numbers_of_page)})


def alert(request: Request, number: str) -> Response:
    """An alert, reconstructed."""
    admitted(request, "json")
    with _connections(request).use() as connection:
        wanted = found_row(connection, ALERTS, number)["alertId"]
        return Json(alert_documents(connection, [wanted])[0])


def get_alerts(request: Request, body: Body) -> Response:
    """Alerts from a position on, ordered by number."""
    admitted(request)
    return Json(_alerts(request, body)[0])


def get_alerts_and_truth(request: Request, body: Body) -> Response:
    """The same with the truth of their points and objects."""
    user = admitted(request)
    needs(request, user, ELASTICC_ADMIN)
    answer, things = _alerts(request, body)
    with _connections(request).use() as connection, connection.cursor(row_factory=dict_row) as cursor:
        truth = cursor.execute(
            'SELECT * FROM elasticc_diatruth WHERE "diaObjectId" = ANY(%s) ORDER BY "diaSourceId"', (things,)
        ).fetchall()
        of_objects = cursor.execute(
            'SELECT * FROM elasticc_diaobjecttruth WHERE "diaObjectId" = ANY(%s) ORDER BY "diaObjectId"', (things,)
        ).fetchall()
    return Json({**answer, "truth": truth, "objecttruth": {str(row["diaObjectId"]): row for row in of_objects}})


def _alerts(request: Request, body: bytes) -> tuple[dict[str, Any], list[int]]:
    given = parsed(body, "") if body else {}
    if not isinstance(given, dict):
        raise TomError("the body must be a JSON object with offset and num")
    offset, num = (integer(given.get(name, default), "", name) for name, default in (("offset", 0), ("num", 100)))
    if offset < 0 or not 0 <= num <= _MOST_ALERTS:
        raise TomError(f"offset must not be negative, and num at most {_MOST_ALERTS}")
    with _connections(request).use() as connection:
        rows = connection.execute(
            'SELECT "alertId" FROM elasticc_diaalert ORDER BY 1 OFFSET %s LIMIT %s', (offset, num)
        ).fetchall()
        total = count_of(connection, ALERTS)
        found = alert_documents(connection, [row[0] for row in rows])
    things = sorted({one["diaSource"]["diaObjectId"] for one in found})
    return {"status": "ok", "offset": offset, "num": len(found), "totnum": total, "alerts": found}, things


def add_object(request: Request, body: Body) -> Response:
    """Add an object."""

    def write(connection: psycopg.Connection[Any], given: Any) -> dict[str, Any]:
        documents = writing.documents_of(given)
        writing.add_objects(connection, documents)
        return {"status": "ok", "message": f"ObjectID: {', '.join(str(one['diaObjectId']) for one in documents)}"}

    return _written(request, body, write)


def add_alerts(request: Request, body: Body) -> Response:
    """Add alerts with their objects and points."""

    def write(connection: psycopg.Connection[Any], given: Any) -> dict[str, Any]:
        return {"status": "ok", "message": writing.add_alerts(connection, writing.documents_of(given))}

    return _written(request, body, write)


def add_truth(request: Request, body: Body) -> Response:
    """Add the truth of points."""

    def write(connection: psycopg.Connection[Any], given: Any) -> dict[str, Any]:
        numbers_added, missing = writing.add_truth(connection, writing.documents_of(given))
        return {"status": "ok", "message": numbers_added, "missing": missing}

    return _written(request, body, write)


def add_object_truth(request: Request, body: Body) -> Response:
    """Add the truth of objects."""

    def write(connection: psycopg.Connection[Any], given: Any) -> dict[str, Any]:
        return {"status": "ok", "message": writing.add_object_truth(connection, writing.documents_of(given))}

    return _written(request, body, write)


def mark_sent(request: Request, body: Body) -> Response:
    """Mark alerts as sent."""

    def write(connection: psycopg.Connection[Any], given: Any) -> dict[str, Any]:
        if not isinstance(given, list) or not given:
            raise BadDocumentError("the body must be a list of numbers of alerts")
        wanted = [int(number) for number in numbers(given, "", "alertId")]
        moment = writing.mark_sent(connection, wanted)
        return {"status": "ok", "alertIds": wanted, "timestamp": moment.isoformat()}

    return _written(request, body, write)


def _written(
    request: Request, body: bytes, write: Callable[[psycopg.Connection[Any], Any], dict[str, Any]]
) -> Response:
    """Write the content of a body in one transaction, again if another request conflicts."""
    user = admitted(request, writing=True)
    needs(request, user, ELASTICC_ADMIN)
    given = parsed(body, "")

    def attempt() -> dict[str, Any]:
        with accounts_of(request) as connection, connection.transaction():
            return write(connection, given)

    try:
        done = again(attempt)
    except (BadDocumentError, psycopg.IntegrityError, psycopg.DataError) as error:
        text = str(error) if isinstance(error, BadDocumentError) else str(error.diag.message_primary)
        return Document({"status": "error", "message": text, "exception": type(error).__name__}, 422)
    return Json(done)


def stored_messages(request: Request) -> Response:
    """Stored messages: one by its number, or those about alerts, detections or objects, page by page."""
    admitted(request)
    question = asked(request)
    with _connections(request).use() as connection:
        return Json(read_first_messages(connection, question))


def summary_of(campaign: str, name: str) -> Callable[[Request], Response]:
    """An endpoint that shows a page of a campaign."""
    first = campaign == "elasticc"
    chosen = (summaries.FIRST if first else summaries.SECOND)[name]

    def show(request: Request) -> Response:
        user = admitted(request, "forbidden" if name == "adminsummary" else "login")
        if chosen.truth:
            needs(request, user, ELASTICC_ADMIN)
        with _connections(request).use() as connection:
            rows = summaries.lines(connection, chosen)
        title = "ELAsTiCC" if first else "ELAsTiCC2"
        return page(
            request, "tom/summary.html", campaign=title, home=f"/{campaign}/", summary=chosen, rows=rows,
            most=summaries.MOST, charts=charts_of(chosen, rows),
        )  # fmt: skip

    return show


def _connections(request: Request) -> Connections:
    connections: Connections = request.app.state.connections
    return connections

"""Pages of the campaigns: an overview for everybody who is logged in, and one for administrators."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import psycopg
from fastapi import Request
from fastapi.responses import Response
from psycopg import sql

from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.tom.first_campaign.summaries import FIRST

_TABLES: Final = {
    "PPDBDiaObject": "ppdbdiaobject",
    "PPDBDiaSource": "ppdbdiasource",
    "PPDBDiaForcedSource": "ppdbdiaforcedsource",
    "DiaObjectTruth": "diaobjecttruth",
    "PPDBAlert": "ppdbalert",
    "DiaObject": "diaobject",
    "DiaSource": "diasource",
    "DiaForcedSource": "diaforcedsource",
    "BrokerClassifier": "brokerclassifier",
    "BrokerMessage": "brokermessage",
}
"""Tables by the original's names."""
_REPORTED: Final = ("DiaObject", "DiaSource", "DiaForcedSource", "BrokerClassifier", "BrokerMessage")
_FIRST: Final = ("DiaObject", "DiaSource", "DiaForcedSource", "DiaAlert", "BrokerClassifier", "BrokerMessage")
"""The original's names for the first campaign."""
_MOST: Final = 1_000_000
"""Largest number of rows for which a table is counted."""


def _count(connection: psycopg.Connection[Any], table: str, where: LiteralString = "") -> str:
    query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} {} LIMIT {}) AS counted").format(
        sql.Identifier(table), sql.SQL(where), sql.Literal(_MOST + 1)
    )
    row = connection.execute(query).fetchone()
    count = row[0] if row is not None else 0
    return f"{count:,}" if count <= _MOST else f"more than {_MOST:,}"


def front(request: Request) -> Response:
    """Overview of the second campaign."""
    admitted(request, "login")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        counts = [(title, _count(connection, f"elasticc2_{_TABLES[title]}")) for title in _REPORTED]
    return page(request, "tom/front.html", counts=counts)


def first_front(request: Request) -> Response:
    """Overview of the first campaign."""
    admitted(request, "login")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        counts = [(title, _count(connection, f"elasticc_{title.lower()}")) for title in _FIRST]
    return page(request, "tom/first_front.html", counts=counts, pages=FIRST)


def administration(request: Request) -> Response:
    """Numbers of rows in the tables, alerts that were sent, and reported objects by true class."""
    user = admitted(request)
    needs(request, user, ELASTICC_ADMIN)
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        counts = [(title, _count(connection, f"elasticc2_{name}")) for title, name in _TABLES.items()]
        sent = [
            (title, _count(connection, "elasticc2_ppdbalert", which))
            for title, which in (
                ("Sent", "WHERE alertsenttimestamp IS NOT NULL"),
                ("Unsent", "WHERE alertsenttimestamp IS NULL"),
            )
        ]
        types = connection.execute(
            "SELECT class.classid, truth.gentype, class.description, count(*)"
            " FROM elasticc2_diaobjectdetails AS reported JOIN elasticc2_diaobjecttruth AS truth"
            " ON truth.diaobject_id = reported.diaobject_id"
            " LEFT JOIN elasticc2_gentypeofclassid AS class ON class.gentype = truth.gentype"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2"
        ).fetchall()
    return page(request, "tom/administration.html", counts=counts, sent=sent, types=types)

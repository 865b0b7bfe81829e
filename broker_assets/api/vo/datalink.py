"""Datalink (IVOA DataLink 1.1): from a source to its packet, its cutouts and the light curve of its object."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pyarrow as pa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.v1 import answers
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.api.vo.parameters import Parameters, VoError, base_of
from broker_assets.database.border_sql import ask
from broker_assets.database.table_formats import field
from broker_assets.database.tables import diasources

router = APIRouter(tags=["VO"])

MOST: Final = 100
"""Most sources in a request."""
MEDIA_TYPE: Final = "application/x-votable+xml;content=datalink"
_SCHEMA: Final = pa.schema(
    [
        field("ID", pa.string(), ucd="meta.id;meta.main", datatype="char"),
        field("access_url", pa.string(), ucd="meta.ref.url", datatype="char"),
        field("service_def", pa.string(), ucd="meta.ref", datatype="char"),
        field("error_message", pa.string(), ucd="meta.code.error", datatype="char"),
        field("semantics", pa.string(), ucd="meta.code", datatype="char"),
        field("description", pa.string(), ucd="meta.note", datatype="char"),
        field("content_type", pa.string(), ucd="meta.code.mime", datatype="char"),
        field("content_length", pa.int64(), ucd="phys.size;meta.file", unit="byte"),
    ]
)


@router.get("/datalink", response_class=Response, operation_id="datalink_get")
@router.post("/datalink", response_class=Response, operation_id="datalink_post")
def links(request: Request, connection: Database, viewer: Anybody, given: Parameters) -> Response:
    """Links of each diaSourceId in ID, several separated by commas."""
    identifiers = [one.strip() for one in str(given.get("ID", "")).split(",") if one.strip()]
    if not 0 < len(identifiers) <= MOST:
        raise VoError(f"ID must have 1 to {MOST} diaSourceIds, separated by commas")
    known = _known(connection, identifiers)
    base = f"{base_of(request)}/api/v1"
    rows = [row for one in identifiers for row in _rows(one, known.get(one), base)]
    found = pa.Table.from_pylist(rows, schema=_SCHEMA)
    answer = answers.table(found.to_batches(), found.schema, "votable", "links", about={"standardID": STANDARD})
    answer.headers["content-type"] = MEDIA_TYPE
    return answer


STANDARD: Final = "ivo://ivoa.net/std/DataLink#links-1.1"


def _known(connection: psycopg.Connection[Any], identifiers: list[str]) -> dict[str, tuple[int, bool]]:
    """The object of each existing source, and whether its packet is kept."""
    numbers = [int(one) for one in identifiers if one.isascii() and one.isdecimal() and len(one) < 19]
    rows = ask(
        connection,
        "SELECT diasourceid, diaobjectid, archivefileid IS NOT NULL FROM diasources WHERE diasourceid = ANY(%s)"
        " AND reduction = 0",
        {diasources: [[("diasourceid", "in", numbers)]]},
        (numbers,),
    )
    return {str(source): (identifier, kept) for source, identifier, kept in rows}


def _rows(identifier: str, known: tuple[int, bool] | None, base: str) -> list[dict[str, Any]]:
    if known is None:
        return [
            {"ID": identifier[:100], "error_message": "NotFoundFault: there is no such source", "semantics": "#this"}
        ]
    number, kept = known
    source = f"{base}/sources/{identifier}"
    found = []
    if kept:
        found.append(("#this", f"{source}/packet.avro", "the alert packet as it was received", "application/avro"))
        found += [
            ("#cutout", f"{source}/cutouts/{kind}.fits", f"{kind} image", "image/fits")
            for kind in ("science", "template", "difference")
        ]
        found.append(("#preview", f"{source}/cutouts/science.png", "science image", "image/png"))
    if number:
        curve = f"{base}/objects/{number}/lightcurve?format=votable"
        found.append(("#auxiliary", curve, "light curve of the object", "application/x-votable+xml"))
    return [
        {"ID": identifier, "access_url": url, "semantics": semantics, "description": text, "content_type": kind}
        for semantics, url, text, kind in found
    ]

"""Light curves of objects."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import Response
from psycopg import sql

from broker_assets.api.connections import database
from broker_assets.api.documents import Document
from broker_assets.database.tables import PROVENANCE, SURVEYS, diaforcedsources, diasources, objects
from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_id, ztf_object_name

router = APIRouter(prefix="/api", tags=["objects"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
ObjectId = Annotated[str, Path(description="diaObjectId, or the name of a ZTF object", max_length=20)]

# The columns of the covering indices: these light curves are read without accessing the tables.
LITE = {
    diasources: ("diasourceid", "midpointmjdtai", "band", "psfflux", "psffluxerr", "reliability"),
    diaforcedsources: ("diaforcedsourceid", "midpointmjdtai", "band", "psfflux", "psffluxerr"),
}
_SURVEY_NAMES = {code: name for name, code in SURVEYS.items()}


@router.get("/objects/{diaobjectid}/lightcurve", response_class=Document)
def lightcurve(
    connection: Database,
    diaobjectid: ObjectId,
    full: Annotated[bool, Query(description="All columns, and those of the object")] = False,
) -> Response:
    """Detections and forced photometry of an object, ordered by time."""
    identifier = _identifier(diaobjectid)
    with connection.cursor() as cursor:
        about = _rows(cursor, objects, tuple(column.name for column in objects.columns), identifier)
        if not about:
            raise HTTPException(404, f"object {diaobjectid} is unknown")
        names = {table: _all(table) if full else LITE[table] for table in LITE}
        answer: dict[str, Any] = {"diaObjectId": identifier, "survey": _SURVEY_NAMES.get(about[0]["survey"])}
        if is_ztf_object_id(identifier):
            answer["objectName"] = str(ztf_object_name([identifier])[0])
        if full:
            answer["diaObject"] = about[0]
        answer["diaSources"] = _rows(cursor, diasources, names[diasources], identifier)
        answer["diaForcedSources"] = _rows(cursor, diaforcedsources, names[diaforcedsources], identifier)
    return Document(answer)


def _identifier(text: str) -> int:
    """Object id from a path; 0 means "no object" in the tables and is rejected."""
    try:
        identifier = int(ztf_object_id([text])[0]) if text.startswith("ZTF") else int(text)
    except ValueError:
        raise HTTPException(404, f"{text!r} is neither a diaObjectId nor the name of a ZTF object") from None
    if identifier == 0 or not -(2**63) <= identifier < 2**63:
        raise HTTPException(404, f"object {text} is unknown")
    return identifier


def _all(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name not in PROVENANCE)


@lru_cache(maxsize=16)
def _query(table: sa.Table, names: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    """The query, and the documented names of its columns."""
    order = "midpointmjdtai" if "midpointmjdtai" in table.columns else "diaobjectid"
    text = sql.SQL("SELECT {} FROM {} WHERE diaobjectid = %s ORDER BY {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table.name), sql.Identifier(order)
    )
    documented = tuple(str(table.columns[name].info.get("documented", name)) for name in names)
    return text.as_bytes(None), documented


def _rows(
    cursor: psycopg.Cursor[Any], table: sa.Table, names: tuple[str, ...], identifier: int
) -> list[dict[str, Any]]:
    query, documented = _query(table, names)
    return [dict(zip(documented, row, strict=True)) for row in cursor.execute(query, (identifier,))]

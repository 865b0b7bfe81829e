"""Light curves of objects."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import Response
from psycopg import sql

from broker_assets.api.connections import database
from broker_assets.api.documents import Document, records
from broker_assets.database.reading import light_curve
from broker_assets.database.tables import SURVEYS, diaforcedsources, diasources, objects
from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_id, ztf_object_name

router = APIRouter(prefix="/api", tags=["objects"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
ObjectId = Annotated[str, Path(description="diaObjectId, or the name of a ZTF object", max_length=20)]

_OBJECT = sql.SQL("SELECT {} FROM objects WHERE diaobjectid = %s").format(
    sql.SQL(", ").join(map(sql.Identifier, objects.columns.keys()))
)
_SURVEY_NAMES = {code: name for name, code in SURVEYS.items()}


@router.get("/objects/{diaobjectid}/lightcurve", response_class=Document)
def lightcurve(
    connection: Database,
    diaobjectid: ObjectId,
    full: Annotated[bool, Query(description="All columns, and those of the object")] = False,
) -> Response:
    """Detections and forced photometry of an object, ordered by time."""
    identifier = _identifier(diaobjectid)
    about = connection.execute(_OBJECT, (identifier,)).fetchone()
    if about is None:
        raise HTTPException(404, f"object {diaobjectid} is unknown")
    columns = dict(zip(_documented(objects).values(), about, strict=True))
    answer: dict[str, Any] = {"diaObjectId": identifier, "survey": _SURVEY_NAMES.get(columns["survey"])}
    if is_ztf_object_id(identifier):
        answer["objectName"] = str(ztf_object_name([identifier])[0])
    if full:
        answer["diaObject"] = columns
    curve = light_curve(connection, identifier, full=full)
    for name, table, points in (
        ("diaSources", diasources, curve.sources),
        ("diaForcedSources", diaforcedsources, curve.forced_sources),
    ):
        shown = points if full else points.drop_columns("diaobjectid")
        answer[name] = records(shown.rename_columns([_documented(table)[column] for column in shown.column_names]))
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


@cache
def _documented(table: sa.Table) -> dict[str, str]:
    """The documented name of each column."""
    return {column.name: str(column.info.get("documented", column.name)) for column in table.columns}

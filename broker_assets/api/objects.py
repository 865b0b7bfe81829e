"""Objects: what is known about them, their light curves, their context, and the features of their alerts.

Modules that read many rows are loaded with the first request, since they import a compiler.
"""

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
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import (
    SURVEYS,
    VIEWS,
    associations,
    diaforcedsources,
    diasources,
    object_features,
    objects,
)
from broker_assets.numerals import whole

router = APIRouter(prefix="/api", tags=["objects"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
ObjectId = Annotated[str, Path(description="diaObjectId, or the name of a ZTF object", max_length=20)]

_OBJECT = sql.SQL("SELECT {} FROM objects WHERE diaobjectid = %s").format(
    sql.SQL(", ").join(map(sql.Identifier, objects.columns.keys()))
)
_FEATURE_SCHEMA = arrow_schema(object_features, without=("diaobjectid", "ingestid"))
_FEATURES = sql.SQL("SELECT {} FROM object_features WHERE diaobjectid = {} ORDER BY lastdiasourcemjdtai, diasourceid")
_CLASSIFICATIONS = (
    "SELECT classifier, version, diasourceid, night, jsonb_object_agg(class, score ORDER BY score DESC)"
    " FROM object_classes WHERE diaobjectid = %s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2"
)
_ASSOCIATION_COLUMNS = {
    column.name: str(column.info["documented"])
    for column in associations.columns
    if column.name not in {"diaobjectid", "associationid", "healpix"}
}
_CONTEXT = sql.SQL(
    "SELECT {}, fact.diasourceid::text, fact.night::text, entry.inputs FROM context_matches AS fact"
    " JOIN associations AS found USING (diaobjectid, associationid)"
    " LEFT JOIN ingest_batch_facts AS entry ON entry.ingestid = fact.ingestid AND entry.night = fact.night"
    " AND entry.asset = 'context_matches' WHERE fact.diaobjectid = %s ORDER BY fact.night, fact.diasourceid"
).format(sql.SQL(", ").join(sql.Identifier("found", name) for name in _ASSOCIATION_COLUMNS))
_SHERLOCK_COLUMNS = {
    column.name: _ASSOCIATION_COLUMNS.get(column.name, column.name)
    for column in VIEWS["sherlock_classifications"][0].selected_columns
    if column.name != "diaobjectid"
}
"""Names in Lasair's schema; the object itself is in every answer."""
_SHERLOCK = sql.SQL("SELECT {} FROM sherlock_classifications WHERE diaobjectid = %s").format(
    sql.SQL(", ").join(map(sql.Identifier, _SHERLOCK_COLUMNS))
)
_ANNOTATION = {
    "annotationid": "annotationID",
    **{name: name for name in ("topic", "version", "timestamp", "classification", "explanation", "classdict", "url")},
}
"""Names in Lasair's schema."""
_SURVEY_NAMES = {code: name for name, code in SURVEYS.items()}


@router.get("/objects/{diaobjectid}", response_class=Document)
def about_object(connection: Database, diaobjectid: ObjectId) -> Response:
    """An object as of its newest alert: every column of `objects`, the features of its light curve among them.

    `classifications` has the scores of each classifier, of the newest alert that it scored; `sherlock` what it is near
    to, null while it has no class; `annotations` what public annotators say about it.
    """
    from broker_assets.annotations.store import of_object

    answer, columns = _about(connection, diaobjectid)
    rows = connection.execute(_CLASSIFICATIONS, (identifier_of(diaobjectid),)).fetchall()
    found = [dict(zip(("classifier", "version", "diaSourceId", "night", "scores"), row, strict=True)) for row in rows]
    sherlock = sherlock_row(connection, identifier_of(diaobjectid))
    said = [
        {_ANNOTATION[name]: value for name, value in one.items() if name in _ANNOTATION}
        for one in of_object(connection, identifier_of(diaobjectid), public=True)
    ]
    about = {"diaObject": columns, "classifications": found, "sherlock": sherlock, "annotations": said}
    return Document(answer | about)


@router.get("/objects/{diaobjectid}/features", response_class=Document)
def features(connection: Database, diaobjectid: ObjectId) -> Response:
    """Features of the light curve in each alert of an object that are still kept, by time of the alert."""
    from broker_assets.database.fetch import fetch

    answer, _ = _about(connection, diaobjectid)
    names = sql.SQL(", ").join(map(sql.Identifier, _FEATURE_SCHEMA.names))
    rows = fetch(connection, _FEATURES.format(names, sql.Literal(identifier_of(diaobjectid))), _FEATURE_SCHEMA)
    headings = [documented(object_features)[column] for column in rows.column_names]
    return Document(answer | {"features": records(rows.rename_columns(headings))})


@router.get("/objects/{diaobjectid}/context", response_class=Document)
def context(connection: Database, diaobjectid: ObjectId) -> Response:
    """What an object is near to, by its newest alert and by each alert: Lasair's fields, with the versions used."""
    answer, _ = _about(connection, diaobjectid)
    identifier = identifier_of(diaobjectid)
    names = [*_ASSOCIATION_COLUMNS.values(), "diaSourceId", "night", "versions"]
    rows = connection.execute(_CONTEXT, (identifier,)).fetchall()
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return Document(answer | {"sherlock": sherlock_row(connection, identifier), "context": found})


@router.get("/objects/{diaobjectid}/lightcurve", response_class=Document)
def lightcurve(
    connection: Database,
    diaobjectid: ObjectId,
    full: Annotated[bool, Query(description="All columns, and those of the object")] = False,
) -> Response:
    """Detections and forced photometry of an object, ordered by time."""
    from broker_assets.database.reading import light_curve

    answer, columns = _about(connection, diaobjectid)
    if full:
        answer["diaObject"] = columns
    curve = light_curve(connection, identifier_of(diaobjectid), full=full)
    for name, table, points in (
        ("diaSources", diasources, curve.sources),
        ("diaForcedSources", diaforcedsources, curve.forced_sources),
    ):
        shown = points if full else points.drop_columns("diaobjectid")
        answer[name] = records(shown.rename_columns([documented(table)[column] for column in shown.column_names]))
    return Document(answer)


def _about(connection: psycopg.Connection[Any], text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The beginning of every answer about an object, and all its columns under their documented names."""
    from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_name

    identifier = identifier_of(text)
    row = connection.execute(_OBJECT, (identifier,)).fetchone()
    if row is None:
        raise HTTPException(404, f"object {text} is unknown")
    columns = dict(zip(documented(objects).values(), row, strict=True))
    answer: dict[str, Any] = {"diaObjectId": identifier, "survey": _SURVEY_NAMES.get(columns["survey"])}
    if is_ztf_object_id(identifier):
        answer["objectName"] = str(ztf_object_name([identifier])[0])
    return answer, columns


def sherlock_row(connection: psycopg.Connection[Any], identifier: int) -> dict[str, Any] | None:
    """What an object is near to under Lasair's names; None while it has no class."""
    row = connection.execute(_SHERLOCK, (identifier,)).fetchone()
    return dict(zip(_SHERLOCK_COLUMNS.values(), row, strict=True)) if row is not None else None


def identifier_of(text: str) -> int:
    """Object id from a path; 0 means "no object" in the tables and is rejected."""
    from broker_assets.packets.identifiers import ztf_object_id

    try:
        identifier = int(ztf_object_id([text])[0]) if text.startswith("ZTF") else whole(text)
    except ValueError:
        raise HTTPException(404, f"{text!r} is neither a diaObjectId nor the name of a ZTF object") from None
    if identifier == 0 or not -(2**63) <= identifier < 2**63:
        raise HTTPException(404, f"object {text} is unknown")
    return identifier


@cache
def documented(table: sa.Table) -> dict[str, str]:
    """The documented name of each column."""
    return {column.name: str(column.info.get("documented", column.name)) for column in table.columns}

"""Sources in several surveys: which objects they are, and their joint light curve."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import Response

from broker_assets.api.connections import database
from broker_assets.api.documents import Document, records
from broker_assets.api.objects import ObjectId, documented, identifier_of
from broker_assets.database.tables import SURVEYS, diaforcedsources, diasources

router = APIRouter(prefix="/api", tags=["objects"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
_SURVEY_NAMES = {code: name for name, code in SURVEYS.items()}


@router.get("/objects/{diaobjectid}/joint-lightcurve", response_class=Document)
def joint_lightcurve(
    connection: Database,
    diaobjectid: ObjectId,
    features: Annotated[bool, Query(description="Statistics by survey and band, and of all surveys")] = False,
) -> Response:
    """The light curve of a source in all surveys, each in its own photometric system."""
    from broker_assets.lightcurves.joint import joint_light_curve
    from broker_assets.sky.object_links import members

    found = members(connection, identifier_of(diaobjectid))
    if not found:
        raise HTTPException(404, f"object {diaobjectid} is unknown")
    curve = joint_light_curve(connection, {one.diaobjectid: one.survey for one in found}, features=features)
    for part in curve["surveys"].values():
        for name, table, key in (
            ("diaSources", diasources, "sources"),
            ("diaForcedSources", diaforcedsources, "forced_sources"),
        ):
            points = part.pop(key)
            part[name] = records(points.rename_columns([documented(table)[column] for column in points.column_names]))
    objects = [{"diaObjectId": one.diaobjectid, "survey": _SURVEY_NAMES.get(one.survey)} for one in found]
    return Document({"objects": objects} | curve)

"""Known solar-system objects: what is stored about them, and their tracks."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import Response

from broker_assets.api.connections import database
from broker_assets.api.documents import Document, records
from broker_assets.api.objects import documented
from broker_assets.database.tables import SURVEYS, mpc_orbits, ssobjects, sssources

router = APIRouter(prefix="/api/solar-system", tags=["solar system"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
Name = Annotated[
    str,
    Path(description="Designation, packed or unpacked, number, name, or ssObjectId", max_length=100),
]
_SURVEY_NAMES = {code: name for name, code in SURVEYS.items()}
TRACK_NAMES = {
    "midpointmjdtai": "midpointMjdTai", "diasourceid": "diaSourceId", "decl": "dec", "magerr": "magErr",
    "reducedmag": "reducedMag",
}  # fmt: skip
"""Documented names of the columns of a track that are not those of `sssources`."""


@router.get("/{name:path}/track", response_class=Document)
def track(
    connection: Database,
    name: Name,
    within: Annotated[
        float, Query(gt=0, le=3600, description="Arcseconds from the predicted position within which detections count")
    ] = 5.0,
) -> Response:
    """Detections of an object in chronological order: positions, magnitudes, distances and geometry."""
    from broker_assets.lightcurves.solar_system import track as stored

    answer, identifiers = _about(connection, name)
    rows = stored(connection, identifiers, within=within)
    columns = [TRACK_NAMES.get(column) or documented(sssources).get(column, column) for column in rows.column_names]
    points = records(rows.rename_columns(columns))
    for point in points:
        point["survey"] = _SURVEY_NAMES.get(point["survey"])
    return Document(answer | {"within": within, "track": points})


@router.get("/{name:path}", response_class=Document)
def about_object(connection: Database, name: Name) -> Response:
    """An object: its designations, its orbits, and what surveys say about it."""
    answer, _ = _about(connection, name)
    return Document(answer)


def _about(connection: psycopg.Connection[Any], name: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    from broker_assets.lightcurves.solar_system import UnknownObjectError, find

    try:
        found = find(connection, name)
    except UnknownObjectError as error:
        raise HTTPException(404, str(error)) from error
    answer = {
        "designations": list(found.designations),
        "ssObjectIds": list(found.identifiers),
        "orbits": [_named(mpc_orbits, row) for row in found.orbits],
        "ssObjects": [_named(ssobjects, row) for row in found.objects],
    }
    return answer, found.identifiers


def _named(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    return {documented(table)[column]: value for column, value in row.items()}

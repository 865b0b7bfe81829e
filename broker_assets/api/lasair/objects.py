"""`cone`, `object`, `sherlock/object`, `sherlock/position` as in Lasair's REST interface."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from broker_assets.api.authentication import caller
from broker_assets.api.connections import database
from broker_assets.api.documents import Document
from broker_assets.api.lasair import object_document
from broker_assets.api.lasair.catalogues import Catalogues, NoCataloguesError
from broker_assets.api.lasair.today import julian_year
from broker_assets.api.objects import identifier_of
from broker_assets.api.parameters import BadRequestError, Flag, Parameters, Text, checked

router = APIRouter(prefix="/api", tags=["Lasair"])
Database = Annotated[psycopg.Connection[Any], Depends(database)]

RADIUS = 1000.0
"""Largest radius of a cone, arcsec, as in Lasair."""


class Cone(BaseModel):
    """Parameters of `cone`."""

    ra: float = Field(ge=0, le=360)
    dec: float = Field(ge=-90, le=90)
    radius: float = Field(ge=0)
    requestType: Literal["nearest", "count", "all"]  # noqa: N815


class ObjectRequest(BaseModel):
    """Parameters of `object`."""

    objectId: Text = Field(max_length=40)  # noqa: N815
    lite: Flag = False
    lasair_added: Flag = True
    reliabilityThreshold: float = Field(default=0.0, allow_inf_nan=False)  # noqa: N815


class SherlockObject(BaseModel):
    """Parameters of `sherlock/object`."""

    objectId: Text = Field(max_length=40)  # noqa: N815
    lite: Flag = False


class SherlockPosition(BaseModel):
    """Parameters of `sherlock/position`."""

    ra: float = Field(ge=0, le=360)
    dec: float = Field(ge=-90, le=90)
    lite: Flag = False


@router.get("/cone/", response_class=Document, operation_id="lasair_cone_get")
@router.post("/cone/", response_class=Document, operation_id="lasair_cone_post")
def cone(request: Request, connection: Database, given: Parameters) -> Response:
    """Objects within `radius` arcseconds of a position: the nearest, their number, or all of them, nearest first."""
    from broker_assets.sky.cone_search import objects_near

    caller(request, given.get("token"))
    asked = checked(Cone, given)
    if asked.radius > RADIUS:
        raise BadRequestError(f"radius is {asked.radius:g} arcsec; it must be at most {RADIUS:g}")
    near = objects_near(connection, asked.ra, asked.dec, asked.radius)
    if asked.requestType == "count":
        return Document({"count": len(near)})
    found = [
        {"object": int(identifier), "separation": float(arcsec)}
        for identifier, arcsec in zip(near.diaobjectid, near.arcsec, strict=True)
    ]
    nearest = found[0] if found else {}
    if asked.requestType == "nearest":
        return Document({"nearest": nearest} if found else {})
    return Document({"objects": found, "count": len(found), "nearest": nearest})


@router.get("/object/", response_class=Document, operation_id="lasair_object_get")
@router.post("/object/", response_class=Document, operation_id="lasair_object_post")
def about(request: Request, connection: Database, given: Parameters) -> Response:
    """An object: light curves, features, context, TNS, annotations, and addresses of its images."""
    user = caller(request, given.get("token")).user
    asked = checked(ObjectRequest, given)
    identifier = identifier_of(asked.objectId)
    if not asked.lasair_added:
        return Document(object_document.stored(connection, asked.objectId, identifier, lite=asked.lite))
    return Document(
        object_document.complete(
            connection,
            asked.objectId,
            identifier,
            lite=asked.lite,
            least_reliability=asked.reliabilityThreshold,
            user=user.username,
            base=str(request.base_url).rstrip("/"),
            signer=request.app.state.image_signer,
        )
    )


@router.get("/sherlock/object/", response_class=Document, operation_id="lasair_sherlock_object_get")
@router.post("/sherlock/object/", response_class=Document, operation_id="lasair_sherlock_object_post")
def sherlock_object(request: Request, connection: Database, given: Parameters) -> Response:
    """What an object is near to."""
    caller(request, given.get("token"))
    asked = checked(SherlockObject, given)
    ra, dec = object_document.position(connection, asked.objectId, identifier_of(asked.objectId))
    return Document(_sherlock(request, asked.objectId, ra, dec, asked.lite))


@router.get("/sherlock/position/", response_class=Document, operation_id="lasair_sherlock_position_get")
@router.post("/sherlock/position/", response_class=Document, operation_id="lasair_sherlock_position_post")
def sherlock_position(request: Request, given: Parameters) -> Response:
    """What a position is near to."""
    caller(request, given.get("token"))
    asked = checked(SherlockPosition, given)
    return Document(_sherlock(request, "query", asked.ra % 360.0, asked.dec, asked.lite))


def _sherlock(request: Request, name: str, ra: float, dec: float, lite: bool) -> dict[str, Any]:
    catalogues: Catalogues = request.app.state.catalogues
    try:
        found = catalogues.context_at(ra, dec, epoch=julian_year())
    except NoCataloguesError as error:
        raise BadRequestError(str(error)) from error
    rows = found.crossmatches[:1] if lite else found.crossmatches
    return {"classifications": {name: [found.classification, found.description]}, "crossmatches": rows}

"""Sky maps of events: their list, the maps themselves, and the objects inside."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from broker_assets.api.v1.answers import Cursor, Format, Limit, binary, described, document
from broker_assets.api.v1.lists import HIT, ListId, hits
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database

router = APIRouter(tags=["lists"])


@router.get(
    "/skymaps", responses=described({"skymaps": [{"mw_id": 4, "event": "S240422ed", "version": "3", "area90": 259.0}]})
)
def skymaps(
    request: Request,
    connection: Database,
    viewer: Anybody,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events, at most")] = 100,
) -> Response:
    """The newest map of each event, the latest event first."""
    from broker_assets.sky.map_overview import newest_maps

    found = [dataclasses.asdict(one) | {"state": one.state} for one in newest_maps(connection, limit=limit)]
    return document(request, {"skymaps": found})


@router.get("/skymaps/{id}", responses=described({"versions": [{"mw_id": 4, "event": "S240422ed", "version": "3"}]}))
def skymap(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """All versions of the map of the event to which a map belongs, the newest first."""
    from broker_assets.sky.map_overview import versions

    found = [dataclasses.asdict(one) | {"state": one.state} for one in versions(connection, id)]
    return document(request, {"versions": found})


@router.get(
    "/skymaps/{id}/map.fits", response_class=Response, responses=binary("application/fits", "A multi-order sky map")
)
def skymap_fits(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """The map as it was received, a multi-order HEALPix map as FITS."""
    row = connection.execute("SELECT sky_map FROM mma_areas WHERE mw_id = %s", (id,)).fetchone()
    if row is None or row[0] is None:
        raise Problem("not-found" if row is None else "gone", f"sky map {id} is unknown or no longer kept")
    headers = {"Content-Disposition": f'attachment; filename="skymap_{id}.fits"'}
    return Response(bytes(row[0]), media_type="application/fits", headers=headers)


@router.get("/skymaps/{id}/hits", responses=described({"hits": [{**HIT, "contour": 43.0}], "next": None}, tabular=True))
def skymap_hits(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ListId,  # noqa: A002
    limit: Limit = 1000,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Objects whose newest position lies in the 90 per cent region of the map, by object."""
    from broker_assets.sky.map_overview import versions

    versions(connection, id)
    return hits(request, connection, viewer, "sky_map", id, limit, cursor, form)

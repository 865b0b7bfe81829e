"""What part of the sky is covered."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from broker_assets.api.v1.answers import binary, described, document, immutable
from broker_assets.api.v1.viewers import Anybody, Database

router = APIRouter(tags=["objects"])

Order = Annotated[int, Query(ge=0, le=8, description="HEALPix order of the cells: 6 is about a degree")]
_EXAMPLE: Final = {"order": 6, "version": "0123456789abcdef", "squareDegrees": 18000.5, "moc": {"6": [12, 13]}}


@router.get("/coverage", responses=described(_EXAMPLE))
def coverage(request: Request, connection: Database, viewer: Anybody, order: Order = 6) -> Response:
    """Cells in which an object is stored, as a MOC in JSON; the version is that of its content."""
    from broker_assets.sky.coverage import coverage as covered

    found = covered(connection, order)
    content = {
        "order": found.order,
        "version": found.version,
        "squareDegrees": round(found.moc.sky_fraction * 41252.96124941927, 4),
        "moc": json.loads(found.moc.to_string(format="json")),
    }
    return document(request, content)


@router.get("/coverage/moc.fits", response_class=Response, responses=binary("application/fits", "A MOC (IVOA MOC 2.0)"))
def coverage_moc(request: Request, connection: Database, viewer: Anybody, order: Order = 6) -> Response:
    """The same as a FITS file; its ETag is the version."""
    from broker_assets.sky.areas import moc_bytes
    from broker_assets.sky.coverage import coverage as covered

    found = covered(connection, order)
    headers = {"Content-Disposition": 'attachment; filename="coverage.fits"', "Cache-Control": "public, no-cache"}
    return immutable(
        request, found.version, headers, lambda: Response(moc_bytes(found.moc), media_type="application/fits")
    )

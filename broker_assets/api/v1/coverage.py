"""The covered part of the sky."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from broker_assets.api.v1.answers import binary, described, document, immutable
from broker_assets.api.v1.viewers import Anybody

if TYPE_CHECKING:
    from broker_assets.sky.coverage import Coverage

router = APIRouter(tags=["objects"])

Order = Annotated[int, Query(ge=0, le=7, description="HEALPix order of the cells: 6 is about a degree")]
_EXAMPLE: Final = {"order": 6, "version": "0123456789abcdef", "squareDegrees": 18000.5, "moc": {"6": [12, 13]}}


@router.get("/coverage", responses=described(_EXAMPLE))
def coverage(request: Request, viewer: Anybody, order: Order = 6) -> Response:
    """Cells in which an object is stored, as a MOC in JSON; the version is that of its content."""
    found = _covered(request, order)
    content = {
        "order": found.order,
        "version": found.version,
        "squareDegrees": round(found.moc.sky_fraction * 41252.96124941927, 4),
        "moc": json.loads(found.moc.to_string(format="json")),
    }
    return document(request, content)


@router.get("/coverage/moc.fits", response_class=Response, responses=binary("application/fits", "A MOC (IVOA MOC 2.0)"))
def coverage_moc(request: Request, viewer: Anybody, order: Order = 6) -> Response:
    """The same as a FITS file; its ETag is the version."""
    from broker_assets.sky.areas import moc_bytes

    found = _covered(request, order)
    headers = {"Content-Disposition": 'attachment; filename="coverage.fits"', "Cache-Control": "public, no-cache"}
    return immutable(
        request, found.version, headers, lambda: Response(moc_bytes(found.moc), media_type="application/fits")
    )


KEPT_SECONDS: Final = 600.0
"""Seconds for which a coverage is reused: the finest takes seconds to compute."""


class Coverages:
    """Coverages by HEALPix order, kept in this process; one request at a time computes each."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[int, tuple[float, Coverage]] = {}


def _covered(request: Request, order: int) -> Coverage:
    from broker_assets.sky.coverage import coverage as covered

    coverages: Coverages = request.app.state.coverages
    with coverages.lock:
        read_at, found = coverages.kept.get(order, (0.0, None))
        if found is None or time.monotonic() - read_at > KEPT_SECONDS:
            with request.app.state.connections.use() as connection:
                found = covered(connection, order)
            coverages.kept[order] = (time.monotonic(), found)
        return found

"""Sources and their packets: the archived Avro bytes, the packet as JSON, and the cutouts as FITS and PNG.

They never change, so that a client never fetches one twice.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from broker_assets.api import sources as earlier
from broker_assets.api.documents import records
from broker_assets.api.v1.answers import binary, described, document, immutable
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.database.tables import diasources

router = APIRouter(tags=["alerts"])

SourceId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="diaSourceId", examples=["313853499600420865"])]
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/sources/{id}", responses=described({"diaSourceId": "313853499600420865", "band": "r", "psfFlux": 5120.5}))
def source(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: SourceId,  # noqa: A002
) -> Response:
    """All columns of a source."""
    from broker_assets.database.documented_rows import documented_rows

    rows = records(documented_rows(connection, diasources, "diasourceid", [id], order=("midpointmjdtai",)))
    if not rows:
        raise Problem("not-found", f"source {id} is unknown")
    return document(request, rows[-1])


@router.get("/sources/{id}/packet", responses=described({"diaSourceId": "313853499600420865", "diaSource": {}}))
def packet(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: SourceId,  # noqa: A002
) -> Response:
    """The packet as JSON; cutouts are replaced by their size."""
    found = earlier.archived(connection, id)
    return immutable(request, f"packet-{id}", FOREVER, lambda: earlier.packet_json(found))


@router.get(
    "/sources/{id}/packet.avro",
    response_class=Response,
    responses=binary("application/avro", "An Avro container with its schema"),
)
def packet_avro(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: SourceId,  # noqa: A002
) -> Response:
    """The packet as it was received, in an Avro container with its schema."""
    found = earlier.archived(connection, id)
    return immutable(request, f"avro-{id}", FOREVER, lambda: earlier.packet_avro(found, id))


@router.get("/sources/{id}/cutouts/{kind}.fits", response_class=Response, responses=binary("image/fits", "A FITS file"))
def cutout_fits(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: SourceId,  # noqa: A002
    kind: Annotated[str, Path(description="science, template or difference", max_length=20, examples=["science"])],
) -> Response:
    """A cutout as it was received, decompressed if the survey compresses it."""
    found = earlier.archived(connection, id)
    return immutable(request, f"{kind}-fits-{id}", FOREVER, lambda: earlier.cutout(found, id, f"{kind}.fits"))


@router.get(
    "/sources/{id}/cutouts/{kind}.png", response_class=Response, responses=binary("image/png", "A greyscale picture")
)
def cutout_png(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: SourceId,  # noqa: A002
    kind: Annotated[str, Path(description="science, template or difference", max_length=20, examples=["science"])],
    scale: Annotated[int, Query(ge=1, le=16, description="Pixels along each side of an image pixel")] = 4,
) -> Response:
    """A cutout as a picture between the limits of the z-scale algorithm; row 0 of the image is at the bottom."""
    found = earlier.archived(connection, id)
    tag = f"{kind}-png-{scale}-{id}"
    return immutable(request, tag, FOREVER, lambda: earlier.cutout(found, id, f"{kind}.png", scale))

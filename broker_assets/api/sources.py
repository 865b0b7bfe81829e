"""Information on a source: its packet, its cutouts, and its provenance.

Modules that read packets are loaded by the first request that needs them: most servers have none for a long time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, LiteralString, cast

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from broker_assets.access.signing import IMAGES, Signer
from broker_assets.api.connections import database
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.documents import Document
from broker_assets.database.border_sql import across
from broker_assets.database.tables import diasources
from broker_assets.provenance.origins import key_columns
from broker_assets.provenance.why import UnknownRowError, why

if TYPE_CHECKING:
    from broker_assets.packets.archive import ArchivedPacket

router = APIRouter(prefix="/api", tags=["sources"])

Database = Annotated[psycopg.Connection[Any], Depends(database)]
SourceId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="diaSourceId")]

EXPLAINED: dict[str, tuple[str, ...]] = {
    "diasources": (),
    "diaforcedsources": (),
    "dianondetectionlimits": (),
    "objects": (),
    "sssources": (),
    "ssobjects": (),
    "mpc_orbits": (),
    "crossmatch_tns": ("tns_name", "objid"),
}
"""Tables whose rows are explained to everybody, with indexed columns other than their keys. Lists have owners, and are
not among them."""
CHUNK_BYTES = 1 << 18
"""Bytes of a packet sent at a time."""
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""A packet never changes."""


def _beyond(connection: psycopg.Connection[Any], query: str, diasourceid: int) -> LiteralString:
    """A query for a source, wherever it is."""
    whole = across(connection, query, {diasources: [[("diasourceid", "=", diasourceid)]]}, has_values=True)
    return cast(LiteralString, whole)


def archived(connection: Database, diasourceid: SourceId) -> ArchivedPacket:
    """The packet of a source."""
    from broker_assets.packets.archive import ArchiveError, read_packet

    row = connection.execute(
        _beyond(
            connection,
            "SELECT url, archiveposition, archivelength FROM diasources JOIN archive_file USING (archivefileid)"
            " WHERE diasourceid = %s ORDER BY midpointmjdtai DESC LIMIT 1",
            diasourceid,
        ),
        (diasourceid,),
    ).fetchone()
    if row is None:
        query = _beyond(connection, "SELECT 1 FROM diasources WHERE diasourceid = %s LIMIT 1", diasourceid)
        known = connection.execute(query, (diasourceid,)).fetchone()
        reason = "has no packet of its own: it was received in the history of another source" if known else "is unknown"
        raise HTTPException(404, f"source {diasourceid} {reason}")
    try:
        return read_packet(*row)
    except (ArchiveError, OSError) as error:
        raise HTTPException(503, f"the archived packet of source {diasourceid} cannot be read at the moment") from error


Packet = Annotated[Any, Depends(archived)]
"""An `ArchivedPacket`."""


def _recognised(
    request: Request,
    diasourceid: SourceId,
    name: str,
    signature: Annotated[
        str | None, Query(max_length=64, description="That of an address of an image that was issued here")
    ] = None,
) -> None:
    signer: Signer | None = request.app.state.image_signer
    signed = f"{diasourceid}_{name.partition('.')[0]}"
    if signature is not None and signer is not None and not signer.is_signed(IMAGES, signed, signature):
        raise HTTPException(403, "the signature is not that of this image; images are also read without one")


@router.get("/sources/{diasourceid}/cutouts/{name}", response_class=Response, dependencies=[Depends(_recognised)])
def cutout(
    packet: Packet,
    diasourceid: SourceId,
    name: Annotated[str, Path(description="science, template or difference, with .fits or .png")],
    scale: Annotated[int, Query(ge=1, le=16, description="Pixels of the PNG along each side of an image pixel")] = 4,
) -> Response:
    """A cutout as FITS, or as PNG between the limits of the z-scale algorithm."""
    from broker_assets.packets.cutouts import CutoutError, from_packet, to_png
    from broker_assets.packets.tables import CUTOUT_KINDS

    kind, _, form = name.partition(".")
    if kind not in CUTOUT_KINDS or form not in ("fits", "png"):
        raise HTTPException(404, f"no cutout {name!r}: available are {', '.join(CUTOUT_KINDS)}, with .fits or .png")
    try:
        fits = from_packet(packet, kind)
        content = fits if form == "fits" else to_png(fits, scale=scale)
    except CutoutError as error:
        raise HTTPException(404, f"source {diasourceid}: {error}") from error
    if form == "png":
        return Response(content, media_type="image/png", headers=FOREVER)
    disposition = f'attachment; filename="{diasourceid}_{kind}.fits"'
    return Response(content, media_type="image/fits", headers={"Content-Disposition": disposition, **FOREVER})


@router.get("/sources/{diasourceid}/packet.avro", response_class=Response)
def packet_avro(packet: Packet, diasourceid: SourceId) -> Response:
    """The packet as received, in an Avro container with its schema."""
    pieces = packet.container()
    headers = {
        "Content-Disposition": f'attachment; filename="{diasourceid}.avro"',
        "Content-Length": str(sum(len(piece) for piece in pieces)),
        **FOREVER,
    }
    return StreamingResponse(_chunks(pieces), media_type="application/avro", headers=headers)


def _chunks(pieces: Sequence[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for begin in range(0, len(piece), CHUNK_BYTES):
            yield piece[begin : begin + CHUNK_BYTES]


@router.get("/sources/{diasourceid}/packet", response_class=Document)
@router.get("/sources/{diasourceid}/packet.json", response_class=Document, include_in_schema=False)
def packet_json(packet: Packet) -> Response:
    """The packet as JSON; cutouts are replaced by their size."""
    from broker_assets.packets.schema import SchemaError
    from broker_assets.packets.whole import WholePacketError, read_whole

    try:
        return Document(read_whole(packet.datum, packet.schema.schema), headers=FOREVER)
    except (WholePacketError, SchemaError) as error:
        raise HTTPException(422, f"{error}; `packet.avro` has the packet as it was received") from error


@router.get("/why/{diasourceid}", response_class=Document)
def where_from(request: Request, connection: Database, diasourceid: SourceId) -> Response:
    """Where a source comes from: packet, Kafka partition and offset, archive file, batch and code version."""
    return _explained(
        request, connection, "diasources", {"diasourceid": diasourceid}, f"source {diasourceid} is unknown"
    )


@router.get("/rows/{table}/why", response_class=Document)
def where_a_row_is_from(
    request: Request,
    connection: Database,
    table: Annotated[str, Path(description=f"One of {', '.join(EXPLAINED)}")],
) -> Response:
    """Where rows of a table come from; the query names columns that identify them, `?diaobjectid=3137`."""
    if table not in EXPLAINED:
        raise HTTPException(404, f"no table {table!r}: available are {', '.join(EXPLAINED)}")
    where = {name.lower(): value for name, value in request.query_params.items()}
    allowed = (*key_columns(table), *EXPLAINED[table])
    if not where or not set(where) <= set(allowed):
        raise HTTPException(422, f"rows of {table} are found by {', '.join(allowed)}")
    named = ", ".join(f"{name} {value}" for name, value in where.items())
    return _explained(request, connection, table, where, f"{table} has no row with {named}")


def _explained(request: Request, connection: Database, table: str, where: dict[str, Any], if_none: str) -> Response:
    from broker_assets.packets.kafka_place import kafka_place

    try:
        found = why(connection, table, where, kafka_place)
    except UnknownRowError as error:
        raise HTTPException(422, str(error)) from error
    if not found:
        raise HTTPException(404, if_none)
    disclosure: Disclosure = request.app.state.disclosure
    return Document([disclosure.shown(request, item) for item in found])

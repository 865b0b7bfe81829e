"""Maps with survey images: pages that only show a map, alone or embedded in the page of an object, area or sky map.

Aladin Lite draws them in WebGL. It needs more than other pages may load (`ALLOWED`), so it has pages of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import database
from broker_assets.api.objects import ObjectId, identifier_of
from broker_assets.api.site import areas
from broker_assets.api.site.forms import Number, missing
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.numerals import real
from broker_assets.settings.pages import SkyImage

router = APIRouter(prefix="/sky", include_in_schema=False)
Database = Annotated[psycopg.Connection[Any], Depends(database)]

NO_IMAGES: Final = "none"
"""Value of `survey` in an address without survey images."""
STYLES: Final = (
    "sha256-cEnY4wnnUdAaYodEHQq0zu+362EwEHHSAlawP4BBKmw=",
    "sha256-wkY2X5hecQzbhnFCqvTpwrUJ1f4X8LH5WFjYUzv1wmU=",
)
"""Hashes of the style element and of the style attribute that Aladin Lite writes; they change with its version."""
ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "script-src": ("'wasm-unsafe-eval'",),
    "style-src": ("'unsafe-hashes'", *(f"'{one}'" for one in STYLES)),
    "worker-src": ("blob:",),
    "connect-src": ("data:",),  # its WebAssembly is embedded in its script
    "frame-ancestors": ("'self'",),
}
"""What these pages may load and do in addition, by directive."""


@router.get("/objects/{diaobjectid}/")
def of_object(request: Request, connection: Database, diaobjectid: ObjectId) -> Response:
    """An object with its context and neighbours."""
    from broker_assets.search.finding import object_title
    from broker_assets.sky.marked_things import NoPosition, object_field

    identifier = identifier_of(diaobjectid)
    try:
        field = object_field(connection, identifier)
    except NoPosition as error:
        raise HTTPException(404, f"O{str(error)[1:]}.") from error
    return _page(request, field, object_title(identifier), f"/objects/{identifier}/")


@router.get("/areas/{number}/")
def of_area(request: Request, number: Number) -> Response:
    """An area with its hits."""
    from broker_assets.sky.marked_things import area_field

    with accounts_of(request) as connection:
        entry = areas.found(connection, viewer_of(request).user, number)
        field = area_field(connection, number, entry.name)
    return _page(request, field, f"Area {entry.name}", f"/watchmaps/{number}/", picture="picture.png")


@router.get("/maps/{number}/")
def of_map(request: Request, connection: Database, number: Number) -> Response:
    """A sky map with its candidates."""
    from broker_assets.sky.map_overview import UnknownMap, versions
    from broker_assets.sky.marked_things import map_field

    try:
        entry = next(one for one in versions(connection, number) if one.mw_id == number)
        field = map_field(connection, number)
    except UnknownMap:
        missing("sky map", number)
    return _page(request, field, entry.event, f"/mma_watchmaps/{number}/", picture="picture.png")


@router.get("/cone/")
def of_cone(
    request: Request,
    connection: Database,
    ra: Annotated[float, Query(ge=0, le=360)],
    dec: Annotated[float, Query(ge=-90, le=90)],
    radius: Annotated[float, Query(gt=0, le=36000, description="arcsec")] = 60.0,
) -> Response:
    """A cone with the objects in it; `ra` and `dec` are those of its centre, ICRS, degrees."""
    from broker_assets.sky.marked_things import cone_field

    field = cone_field(connection, ra, dec, radius)
    back = f"/search/{ra:.6f}%20{dec:+.6f}%20{radius:g}%E2%80%B3"
    return _page(request, field, f"{radius:g}″ around {ra:.5f} {dec:+.5f}", back)


def _page(request: Request, field: Any, title: str, back: str, *, picture: str = "") -> Response:
    from broker_assets.sky.finder_svg import finder_svg

    images: Sequence[SkyImage] = request.app.state.sky_images
    asked = request.query_params.get("survey", "")
    chosen = next((one for one in images if one.name == asked), images[0] if images and asked != NO_IMAGES else None)
    document = field.document()
    document |= _view(request.query_params, field)
    summary = f"Finding chart of {title}: {len(field.points)} marked positions, {field.width * 60:.3g}′ wide, north up"
    return page(
        request, "sky_view.html", title=title, back=back, field=field, document=document, images=images,
        chosen=chosen, none=NO_IMAGES, picture=back + picture if picture else "",
        finder="" if picture else finder_svg(field, summary=summary, size=360),
        allow=policy(chosen),
    )  # fmt: skip


def _view(given: Mapping[str, str], field: Any) -> dict[str, float]:
    """Centre and width from the address, `c=RA,Dec` and `fov`, degrees; else those of the field."""
    numbers = []
    for text in (*given.get("c", "").split(",")[:2], given.get("fov", "")):
        try:
            numbers.append(real(text))
        except ValueError:
            numbers.append(math.nan)
    ra, dec, width = numbers if len(numbers) == 3 else (math.nan, math.nan, numbers[-1])
    placed = 0 <= ra <= 360 and -90 <= dec <= 90
    return {
        "ra": ra if placed else field.ra,
        "dec": dec if placed else field.dec,
        "width": width if 0 < width <= 180 else field.width,
    }


def policy(image: SkyImage | None) -> dict[str, tuple[str, ...]]:
    """What a map may load and do in addition to other pages: the host of its survey image, if it has one."""
    if image is None:
        return ALLOWED
    parts = urlsplit(image.url)
    host = f"{parts.scheme}://{parts.netloc}"
    return ALLOWED | {name: (*ALLOWED.get(name, ()), host) for name in ("connect-src", "img-src")}

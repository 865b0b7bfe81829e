"""Areas of the sky: uploads of MOCs and regions, circles and polygons by coordinates, hits, map, downloads."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from mocpy import MOC

from broker_assets.access import quotas, visibility
from broker_assets.access.accounts import User
from broker_assets.access.quotas import OverQuota
from broker_assets.access.refusals import BadSetting, NameTaken
from broker_assets.access.sharing import CannotShare
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import owned
from broker_assets.api.site.forms import (
    BadField,
    Number,
    Sent,
    SentForm,
    acting,
    attachment,
    logged_in,
    missing,
    see,
    wants_part,
)
from broker_assets.api.site.frame import FRAMED, page, viewer_of
from broker_assets.api.site.owned_routes import add_list_routes
from broker_assets.sentences import sentence
from broker_assets.sky import hit_tables, lists, overview
from broker_assets.sky.area_files import read_area
from broker_assets.sky.areas import DEEPEST_AREA_ORDER, NotAnArea, moc_bytes
from broker_assets.sky.drawing import FIELDS, HEIGHT, WIDTH, DrawingMap, drawing_svg
from broker_assets.sky.lists import ListSettings
from broker_assets.sky.overview import AreaSummary

router = APIRouter(prefix="/watchmaps", include_in_schema=False)

_TROUBLE: Final = (BadField, BadSetting, NameTaken, OverQuota, CannotShare, NotAnArea)
MOST_CORNERS: Final = 200
"""Corners that are marked on the map."""
EXAMPLE: Final = "POLYGON ICRS 10 -5 12 -5 12 -3"
"""A region that an empty form shows."""


def found(connection: psycopg.Connection[Any], user: User | None, number: int) -> AreaSummary:
    """The area with a number, if the account may see it; else HTTP 404."""
    for entry in overview.summaries(connection, "area", identifier=number):
        if isinstance(entry, AreaSummary) and visibility.may_read(connection, user, "area", number, entry):
            return entry
    missing("area", number)


def own(connection: psycopg.Connection[Any], user: User, number: int) -> AreaSummary:
    """The same, if the account may change it."""
    entry = found(connection, user, number)
    if not visibility.may_change(user, entry):
        raise HTTPException(403, f"Area {number} belongs to {entry.owner}; you can copy it.")
    return entry


@router.get("/")
def every(request: Request, said: str | None = None) -> Response:
    """The areas that the user may see."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        known = overview.summaries(connection, "area")
        shown = owned.readable(connection, user, "area", [(entry.id, entry) for entry in known])
        last = hit_tables.last_hit(connection, "area")
        use = quotas.of_account(connection, user, request.app.state.access) if user is not None else []
    return page(
        request, "areas.html", parts=owned.parted(user, shown), last=last, said=owned.said(said),
        use=[one for one in use if one.what == "areas"],
    )  # fmt: skip


@router.get("/create/")
def new(request: Request) -> Response:
    """The form for a new area."""
    user = logged_in(request)
    return user if isinstance(user, Response) else _form(request, SentForm(dict(request.query_params)))


@router.get("/draw/")
def draw(request: Request) -> Response:
    """A map on which corners are marked; a click on it arrives as `point.x` and `point.y`."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    form = SentForm(dict(request.query_params))
    where, corners = _drawn(form)
    if form.text("point.x") and len(corners) < MOST_CORNERS:
        try:
            x = form.number("point.x", least=0, most=WIDTH, what="Place")
            y = form.number("point.y", least=0, most=HEIGHT, what="Place")
        except BadField as error:
            raise HTTPException(422, sentence(error)) from None
        corners.append(where.position(x, y))
    elif form.text("do") == "undo":
        corners = corners[:-1]
    text = "\n".join(f"{ra!r} {dec!r}" for ra, dec in corners)
    picture = urlencode({"ra": where.ra, "dec": where.dec, "field": where.field, "corners": text})
    return page(
        request, "area_draw.html", where=where, corners=corners, text=text, picture=picture, fields=FIELDS,
        width=WIDTH, height=HEIGHT,
    )  # fmt: skip


@router.get("/draw/map.svg")
def drawing(request: Request) -> Response:
    """The map with the corners."""
    return Response(
        drawing_svg(*_drawn(SentForm(dict(request.query_params)))),
        media_type="image/svg+xml",
        headers={"Content-Security-Policy": "default-src 'none'", "Cache-Control": "private, max-age=300"},
    )


@router.post("/create/")
def create(request: Request, form: Sent) -> Response:
    """Create an area from a file, a region, a circle or a polygon."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            made = _moc(request, form)
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "areas")
                number = lists.create_area(
                    connection, user.username, form.text("name"), made, description=form.text("description")[:4096],
                    expire=owned.renewed_until(request),
                )  # fmt: skip
        except _TROUBLE as error:
            return _form(request, form, str(error), 422)
        owned.note(connection, user, "area made", number, form.text("name"))
    return see(f"/watchmaps/{number}/", said="made")


@router.get("/{number}/")
def one(request: Request, number: Number, said: str | None = None) -> Response:
    """An area: its size, hits, map, and the progress of matching."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        if wants_part(request):
            return page(request, "list_state.html", entry=entry, path=f"/watchmaps/{number}/")
        moc = overview.area_moc(connection, number)
        seen = visibility.of_thing(connection, "area", number, entry)
        mine = visibility.may_change(user, entry)
        share = owned.share_choices(connection, user, "area", number, entry) if user is not None and mine else None
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        hits = hit_tables.area_hits(connection, number)
    return page(
        request, "area.html", entry=entry, seen=seen, mine=mine, hits=hits, share=share, said=owned.said(said),
        order=int(moc.max_order), cells=len(moc.uniq_hpx), path=f"/watchmaps/{number}/", example=EXAMPLE,
        form=SentForm({}), view=f"/sky/areas/{number}/", allow=FRAMED,
    )  # fmt: skip


@router.post("/{number}/update/")
def update(request: Request, number: Number, form: Sent) -> Response:
    """Change name, description, and whether it is matched."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        try:
            settings = ListSettings(
                name=form.text("name"), description=form.text("description")[:4096], active=form.ticked("active"),
                expire=owned.renewed_until(request),
            )  # fmt: skip
            lists.change_list(connection, entry.owner, "area", number, settings)
            owned.note(connection, user, "area changed", number, settings.name or "")
        except _TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/watchmaps/{number}/", said="saved")


@router.post("/{number}/replace/")
def replace(request: Request, number: Number, form: Sent) -> Response:
    """Replace the region of the area."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        try:
            lists.replace_area(connection, entry.owner, number, _moc(request, form))
            kept = ListSettings(expire=owned.renewed_until(request))
            lists.change_list(connection, entry.owner, "area", number, kept)
            owned.note(connection, user, "area changed", number, "another region")
        except _TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/watchmaps/{number}/", said="saved")


@router.post("/{number}/copy/")
def copy(request: Request, number: Number, form: Sent) -> Response:
    """Create an area of the user's own with the same cells."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        moc = overview.area_moc(connection, number)
        try:
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "areas")
                made = owned.under_free_name(
                    entry.name,
                    lambda: [one.name for one in overview.summaries(connection, "area", owner=user.username)],
                    lambda name: lists.create_area(
                        connection, user.username, name, moc, description=entry.description,
                        expire=owned.renewed_until(request),
                    ),
                )  # fmt: skip
        except OverQuota as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "area made", made, f"copy of {number}")
    return see(f"/watchmaps/{made}/", said="copied")


@router.get("/{number}/file/")
def moc(request: Request, number: Number) -> Response:
    """The MOC as FITS."""
    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
        content = moc_bytes(overview.area_moc(connection, number))
    return attachment(content, "application/fits", f"{entry.name}.fits")


@router.get("/{number}/hits.csv")
def hits_csv(request: Request, number: Number) -> Response:
    """Objects inside the area."""
    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        rows = hit_tables.area_hits(connection, number, limit=1_000_000)
    return attachment(hit_tables.as_csv(rows), "text/csv", f"{entry.name}-hits.csv")


@router.get("/{number}/picture.png")
def picture(request: Request, number: Number) -> Response:
    """The area on the sky."""
    from broker_assets.sky.pictures import footprint_png

    with accounts_of(request) as connection:
        found(connection, viewer_of(request).user, number)
        content = footprint_png(overview.area_moc(connection, number))
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=300"})


def _moc(request: Request, form: SentForm) -> MOC:
    """The area that a form describes: by a file, a text, a circle or a polygon, of which one must be given."""
    order = form.whole("order", least=0, most=DEEPEST_AREA_ORDER, what="Order") if form.text("order") else (
        request.app.state.mocs.region_order
    )  # fmt: skip
    circle = [form.text(name) for name in ("ra", "dec", "size")]
    corners = form.text("corners")
    content = form.file or form.text("region").encode()
    if sum((bool(content), any(circle), bool(corners))) != 1:
        raise BadField("give exactly one of these: a file or region, a circle, or the corners of a polygon")
    if any(circle):
        ra = form.number("ra", least=0, most=360, what="Right ascension")
        dec = form.number("dec", least=-90, most=90, what="Declination")
        size = form.number("size", least=0.0001, most=180, what="Radius")
        content = f"CIRCLE ICRS {ra!r} {dec!r} {size!r}".encode()
    elif corners:
        content = f"POLYGON ICRS {' '.join(_corners(corners))}".encode()
    limits = request.app.state.limits
    if not form.ticked("degrade"):
        return read_area(content, region_order=order, limits=limits)
    found = read_area(content, region_order=order, deepest=29, limits=limits)
    return found.degrade_to_order(DEEPEST_AREA_ORDER) if found.max_order > DEEPEST_AREA_ORDER else found


def _corners(text: str, *, least: int = 3) -> list[str]:
    """Coordinates of the corners of a polygon, degrees; one corner on each line."""
    numbers: list[str] = []
    for place, line in enumerate(text.splitlines(), start=1):
        parts = line.replace(",", " ").split()
        if not parts:
            continue
        try:
            ra, dec = map(float, parts)
        except ValueError:
            raise BadField(f"corner {place}: {line[:60]!r} is not RA and Dec in degrees") from None
        if not (0 <= ra <= 360 and -90 <= dec <= 90):
            raise BadField(f"corner {place}: {line[:60]!r} is not a position in degrees")
        numbers += [repr(ra), repr(dec)]
    if len(numbers) < 2 * least:
        raise BadField("a polygon needs three corners")
    return numbers


def _drawn(form: SentForm) -> tuple[DrawingMap, list[tuple[float, float]]]:
    """The map and the corners in an address; HTTP 422 if they are not valid."""
    try:
        where = DrawingMap(
            form.number("ra", least=0, most=360, what="Right ascension") if form.text("ra") else 180.0,
            form.number("dec", least=-90, most=90, what="Declination") if form.text("dec") else 0.0,
            form.number("field", least=min(FIELDS), most=max(FIELDS), what="Width") if form.text("field") else 360.0,
        )
        if where.field >= max(FIELDS):
            where = DrawingMap()
        numbers = [float(text) for text in _corners(form.text("corners"), least=0)]
    except BadField as error:
        raise HTTPException(422, sentence(error)) from None
    return where, list(zip(numbers[::2], numbers[1::2], strict=True))[:MOST_CORNERS]


def _form(request: Request, form: SentForm, trouble: str = "", code: int = 200) -> Response:
    return page(request, "area_new.html", code, form=form, trouble=trouble, example=EXAMPLE)


add_list_routes(router, "area", "/watchmaps/", own, lambda area: f"with its {area.hits:,} hits", _TROUBLE)

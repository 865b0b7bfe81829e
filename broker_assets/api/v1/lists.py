"""Watchlists and areas: their properties, content and hits; owners create and change them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import psycopg
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import Cursor, Format, Limit, binary, described, document, listing
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database, Viewer, Writer, changing
from broker_assets.instants import with_zone

if TYPE_CHECKING:
    from broker_assets.sky.lists import Kind
    from broker_assets.sky.overview import Summary
    from broker_assets.sky.watchlists import Cones

router = APIRouter(tags=["lists"])

ListId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the list", examples=[7])]
_SUMMARY: Final = {
    "id": 7,
    "owner": "ann",
    "name": "quasars",
    "public": True,
    "state": "matched",
    "hits": 12,
    "cones": 300,
    "radius": 3.0,
}
HIT: Final = {"diaObjectId": "313853499600420864", "ra": 150.1, "dec": 2.2, "nDiaSources": 12}
CONE_HIT: Final = {**HIT, "coneId": 5, "coneName": "3C 273", "separationArcsec": 0.4}


class Changes(Body):
    """What can be changed about a list besides its content; omitted fields stay as they are."""

    name: str | None = Field(default=None, max_length=256, description="Unique for the owner")
    description: str | None = Field(default=None, max_length=10_000, description="What it is for")
    public: bool | None = Field(default=None, description="Whether everybody may see it")
    active: bool | None = Field(default=None, description="Whether it is matched")
    expire: datetime.datetime | Literal["never"] | None = Field(default=None, description="When matching stops, UTC")
    radius: float | None = Field(default=None, gt=0, le=360, description="Of cones that have none, arcsec; watchlists")


class NewWatchlist(Body):
    """A watchlist to be created."""

    name: str = Field(min_length=1, max_length=256, description="Unique for the owner", examples=["quasars"])
    cones: str = Field(
        max_length=8_000_000,
        description="Lines `RA, Dec[, name[, radius]]`: degrees or sexagesimal, arcsec",
        examples=["187.2779, 2.0524, 3C 273, 3.0\n"],
    )
    radius: float = Field(default=5.0, gt=0, le=360, description="Of cones that have none, arcsec")
    description: str = Field(default="", max_length=10_000, description="What it is for")
    public: bool = Field(default=False, description="Whether everybody may see it")
    active: bool = Field(default=True, description="Whether it is matched")


class NewArea(Body):
    """An area to be created."""

    name: str = Field(min_length=1, max_length=256, description="Unique for the owner", examples=["field 1"])
    region: str = Field(
        max_length=2_000_000,
        description="A MOC as JSON or ASCII, or a region in STC-S or DS9 form",
        examples=["CIRCLE ICRS 150.1 2.2 1.5"],
    )
    description: str = Field(default="", max_length=10_000, description="What it is for")
    public: bool = Field(default=False, description="Whether everybody may see it")
    active: bool = Field(default=True, description="Whether it is matched")


def _visible(connection: psycopg.Connection[Any], viewer: Viewer, kind: Kind, identifier: int) -> Summary:
    from broker_assets.sky.overview import summaries

    found = viewer.visible(kind, summaries(connection, kind, identifier=identifier), lambda one: one.id)
    if not found:
        raise Problem("not-found", f"there is no {kind} {identifier}, or it is neither public nor yours")
    return found[0]


@router.get("/watchlists", responses=described({"watchlists": [_SUMMARY]}))
def watchlists(
    request: Request,
    connection: Database,
    viewer: Anybody,
    owner: Annotated[str | None, Query(max_length=150, description="Only those of this account")] = None,
) -> Response:
    """Watchlists that are public, shared with the account, or its own."""
    from broker_assets.sky.overview import summaries

    seen = viewer.visible("watchlist", summaries(connection, "watchlist", owner=owner), lambda one: one.id)
    return document(request, {"watchlists": seen})


@router.get("/watchlists/{id}", responses=described(_SUMMARY))
def watchlist(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """A watchlist without its cones."""
    return document(request, _visible(connection, viewer, "watchlist", id).model_dump())


@router.get(
    "/watchlists/{id}/cones", response_class=Response, responses=binary("text/csv", "Lines `RA, Dec[, name[, radius]]`")
)
def cones(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """All cones of a watchlist, in the format of uploads."""
    from broker_assets.sky.overview import stored_cones
    from broker_assets.sky.watchlists import watchlist_lines

    _visible(connection, viewer, "watchlist", id)
    text = "".join(f"{line}\n" for line in watchlist_lines(stored_cones(connection, id)))
    return Response(text, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{id}.csv"'})


@router.get("/watchlists/{id}/hits", responses=described({"hits": [CONE_HIT], "next": None}, tabular=True))
def watchlist_hits(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ListId,  # noqa: A002
    limit: Limit = 1000,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Objects whose newest position lies in a cone of the watchlist, by object."""
    _visible(connection, viewer, "watchlist", id)
    return hits(request, connection, viewer, "watchlist", id, limit, cursor, form)


@router.post("/watchlists", status_code=201, responses=described(_SUMMARY, "It is made", status=201))
def make_watchlist(request: Request, connection: Database, writer: Writer, new: NewWatchlist) -> Response:
    """Create a watchlist; if a line cannot be read, nothing is created, and the errors name the line."""
    from broker_assets.access.quotas import require_room
    from broker_assets.filters.expiry import renewed
    from broker_assets.sky.lists import create_watchlist

    cones = _cones(new.cones)
    with changing(request, writer, "watchlist made") as change:
        own = change.connection
        settings = request.app.state.access
        require_room(own, _user(writer), settings, "watchlists")
        require_room(own, _user(writer), settings, "cones", len(cones))
        made = create_watchlist(
            own, writer.name, new.name, cones, radius=new.radius, description=new.description, active=new.active,
            public=new.public, expire=renewed(request.app.state.filters.expire_days),
        )  # fmt: skip
        change.subject = str(made)
    return _made(request, "watchlist", made)


@router.put("/watchlists/{id}/cones", responses=described({"removed": 2, "added": 3}))
async def replace_cones(request: Request, writer: Writer, id: ListId) -> Response:  # noqa: A002
    """Replace the cones of a watchlist by the lines of the body (`text/csv`); cones that stay keep their hits."""
    from starlette.concurrency import run_in_threadpool

    content = await body_of(request)

    def change() -> Response:
        from broker_assets.access.quotas import require_room
        from broker_assets.sky import lists

        found = _cones(content.decode("utf-8", "replace"))
        with changing(request, writer, "watchlist cones replaced", id) as noted:
            require_room(noted.connection, _user(writer), request.app.state.access, "cones", len(found))
            removed, added = lists.replace_cones(noted.connection, writer.name, id, found)
        return document(request, {"removed": removed, "added": added})

    return await run_in_threadpool(change)


@router.patch("/watchlists/{id}", responses=described(_SUMMARY))
def change_watchlist(request: Request, writer: Writer, id: ListId, changes: Changes) -> Response:  # noqa: A002
    """Change the name of a watchlist, who may see it, whether it is matched, and until when."""
    return _change(request, writer, "watchlist", id, changes)


@router.delete(
    "/watchlists/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove_watchlist(request: Request, writer: Writer, id: ListId) -> Response:  # noqa: A002
    """Remove a watchlist with its hits."""
    return _remove(request, writer, "watchlist", id)


@router.get("/areas", responses=described({"areas": [{"id": 3, "name": "field 1", "square_degrees": 7.1}]}))
def areas(
    request: Request,
    connection: Database,
    viewer: Anybody,
    owner: Annotated[str | None, Query(max_length=150, description="Only those of this account")] = None,
) -> Response:
    """Areas that are public, shared with the account, or its own."""
    from broker_assets.sky.overview import summaries

    seen = viewer.visible("area", summaries(connection, "area", owner=owner), lambda one: one.id)
    return document(request, {"areas": seen})


@router.get("/areas/{id}", responses=described({"id": 3, "name": "field 1", "square_degrees": 7.1}))
def area(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """An area without its cells."""
    return document(request, _visible(connection, viewer, "area", id).model_dump())


@router.get(
    "/areas/{id}/moc.fits", response_class=Response, responses=binary("application/fits", "A MOC (IVOA MOC 2.0)")
)
def area_moc(request: Request, connection: Database, viewer: Anybody, id: ListId) -> Response:  # noqa: A002
    """The MOC of an area as FITS."""
    _visible(connection, viewer, "area", id)
    row = connection.execute("SELECT moc FROM areas WHERE ar_id = %s", (id,)).fetchone()
    if row is None:
        raise Problem("not-found", f"there is no area {id}")
    headers = {"Content-Disposition": f'attachment; filename="area_{id}.fits"'}
    return Response(bytes(row[0]), media_type="application/fits", headers=headers)


@router.get("/areas/{id}/hits", responses=described({"hits": [HIT], "next": None}, tabular=True))
def area_hits(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ListId,  # noqa: A002
    limit: Limit = 1000,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Objects whose newest position lies in the area, by object."""
    _visible(connection, viewer, "area", id)
    return hits(request, connection, viewer, "area", id, limit, cursor, form)


@router.post("/areas", status_code=201, responses=described(_SUMMARY, "It is made", status=201))
def make_area(request: Request, connection: Database, writer: Writer, new: NewArea) -> Response:
    """Create an area from a region."""
    from broker_assets.access.quotas import require_room
    from broker_assets.filters.expiry import renewed
    from broker_assets.sky.area_files import read_area
    from broker_assets.sky.lists import create_area

    moc = read_area(new.region.encode(), region_order=REGION_ORDER)
    with changing(request, writer, "area made") as change:
        own = change.connection
        require_room(own, _user(writer), request.app.state.access, "areas")
        made = create_area(
            own, writer.name, new.name, moc, description=new.description, active=new.active, public=new.public,
            expire=renewed(request.app.state.filters.expire_days),
        )  # fmt: skip
        change.subject = str(made)
    return _made(request, "area", made)


@router.put("/areas/{id}/moc", responses=described({"id": 3, "name": "field 1", "square_degrees": 7.1}))
async def replace_moc(request: Request, writer: Writer, id: ListId) -> Response:  # noqa: A002
    """Replace the MOC of an area by the body: a MOC as FITS, JSON or ASCII, or a region in STC-S or DS9 form."""
    from starlette.concurrency import run_in_threadpool

    content = await body_of(request)

    def change() -> Response:
        from broker_assets.sky.area_files import read_area
        from broker_assets.sky.lists import replace_area
        from broker_assets.sky.overview import summaries

        moc = read_area(content, region_order=REGION_ORDER)
        with changing(request, writer, "area replaced", id) as noted:
            replace_area(noted.connection, writer.name, id, moc)
            return document(request, summaries(noted.connection, "area", identifier=id)[0].model_dump())

    return await run_in_threadpool(change)


@router.patch("/areas/{id}", responses=described({"id": 3, "name": "field 1", "square_degrees": 7.1}))
def change_area(request: Request, writer: Writer, id: ListId, changes: Changes) -> Response:  # noqa: A002
    """Change the name of an area, who may see it, whether it is matched, and until when."""
    return _change(request, writer, "area", id, changes)


@router.delete(
    "/areas/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove_area(request: Request, writer: Writer, id: ListId) -> Response:  # noqa: A002
    """Remove an area with its hits."""
    return _remove(request, writer, "area", id)


REGION_ORDER: Final = 12
"""HEALPix order of the MOC of a region: cells of 51 arcsec."""
LARGEST_BODY: Final = 32 << 20
"""Largest upload, bytes."""


def hits(
    request: Request,
    connection: psycopg.Connection[Any],
    viewer: Viewer,
    kind: Literal["watchlist", "area", "sky_map"],
    identifier: int,
    limit: int,
    cursor: str | None,
    form: str | None,
) -> Response:
    from broker_assets.sky.hit_queries import KEYS, SCHEMAS, hit_query

    return listing(
        request, connection, hit_query(kind), {"list": identifier}, SCHEMAS[kind], name="hits", keys=KEYS[kind],
        limit=limit, cursor=cursor, form=form, most=viewer.rows,
    )  # fmt: skip


def _cones(text: str) -> Cones:
    from broker_assets.sky.watchlists import BadWatchlist, read_watchlist

    try:
        return read_watchlist(text.encode(), refuse=True)
    except BadWatchlist as error:
        errors = [{"parameter": "cones", "line": one.line, "message": f"{one.reason}: {one.text}"} for one in error.bad]
        raise Problem(
            "bad-parameter", str(error), errors=errors, advice="correct the lines that `errors` has"
        ) from None


def _user(writer: Viewer) -> Any:
    return writer.user


def _made(request: Request, kind: Kind, identifier: int) -> Response:
    from broker_assets.sky.overview import summaries

    with accounts_of(request) as own:
        found = summaries(own, kind, identifier=identifier)[0].model_dump()
    return document(request, found, 201, headers={"Location": f"/api/v1/{kind}s/{identifier}"})


def _change(request: Request, writer: Viewer, kind: Kind, identifier: int, changes: Changes) -> Response:
    from broker_assets.sky.lists import ListSettings, change_list
    from broker_assets.sky.overview import summaries

    expire = changes.expire
    if isinstance(expire, datetime.datetime):
        expire = with_zone(expire)
    settings = ListSettings(changes.name, changes.description, changes.active, changes.public, expire, changes.radius)
    with changing(request, writer, f"{kind} changed", identifier) as noted:
        change_list(noted.connection, writer.name, kind, identifier, settings)
        return document(request, summaries(noted.connection, kind, identifier=identifier)[0].model_dump())


def _remove(request: Request, writer: Viewer, kind: Kind, identifier: int) -> Response:
    from broker_assets.sky.lists import delete_list

    with changing(request, writer, f"{kind} removed", identifier) as noted:
        delete_list(noted.connection, writer.name, kind, identifier)
    return Response(status_code=204)


async def body_of(request: Request) -> bytes:
    """The body of a request, if it is not too large.

    Raises
    ------
    Problem
        If it is too large.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise Problem("too-large", f"the body is larger than {LARGEST_BODY >> 20} MiB")
    return bytes(content)

"""Sky maps of events: their list, and for one map its classes, areas, picture, and the objects inside by rank."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from broker_assets.api.connections import Connections
from broker_assets.api.site.forms import Chosen, Number, attachment, missing
from broker_assets.api.site.frame import FRAMED, page
from broker_assets.sky import event_overview, hit_tables, map_overview
from broker_assets.sky.areas import moc_bytes
from broker_assets.sky.map_overview import UnknownMap

router = APIRouter(include_in_schema=False)

LEVELS: Final = (10, 50, 90)
"""Credible regions that are drawn and can be downloaded, per cent."""


@router.get("/mma_watchmaps/")
def every(request: Request) -> Response:
    """The newest map of each event, and events with an error circle."""
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        maps = map_overview.newest_maps(connection)
        circles = event_overview.events(connection, limit=50)
    return page(request, "sky_maps.html", maps=maps, circles=circles)


@router.get("/mma_watchmaps/{number}/")
def one(request: Request, number: Number, v: Chosen = None) -> Response:
    """A map; `v` is another version of its event, counted from the first."""
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        try:
            versions = map_overview.versions(connection, number)
        except UnknownMap:
            missing("sky map", number)
        if v is not None:
            if v > len(versions):
                missing("sky map", f"{number} with a version {v}")
            return RedirectResponse(f"/mma_watchmaps/{versions[len(versions) - v].mw_id}/", 302)
        entry = next(version for version in versions if version.mw_id == number)
        ranking = hit_tables.ranking(connection, number)
    return page(
        request, "sky_map.html", entry=entry, versions=versions, ranking=ranking, levels=LEVELS,
        path=f"/mma_watchmaps/{number}/", view=f"/sky/maps/{number}/", allow=FRAMED,
    )  # fmt: skip


@router.get("/mma_watchmaps/{number}/ranking.csv")
def ranking_csv(request: Request, number: Number) -> Response:
    """The objects inside by rank."""
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        try:
            entry = map_overview.versions(connection, number)[0]
        except UnknownMap:
            missing("sky map", number)
        rows = hit_tables.ranking(connection, number, limit=100_000)
    return attachment(hit_tables.as_csv(rows), "text/csv", f"{entry.event}-ranking.csv")


@router.get("/mma_watchmaps/{number}/{level}.moc")
def contour(request: Request, number: Number, level: int) -> Response:
    """A credible region as a MOC."""
    if level not in LEVELS:
        missing("credible region", f"{level} %")
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        try:
            content = map_overview.map_content(connection, number)
        except UnknownMap:
            missing("sky map", number)
    return attachment(moc_bytes(content.contour_moc(level)), "application/fits", f"{number}-{level}.fits")


@router.get("/mma_watchmaps/{number}/picture.png")
def picture(request: Request, number: Number) -> Response:
    """Its credible regions on the sky."""
    from broker_assets.sky.pictures import CONTOUR_COLOURS, footprint_png

    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        try:
            content = map_overview.map_content(connection, number)
        except UnknownMap:
            missing("sky map", number)
    drawn = footprint_png(contours={level: content.contour_moc(level) for level in sorted(CONTOUR_COLOURS)})
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/gw_maps/")
def earlier_address() -> Response:
    """An earlier address of Lasair."""
    return RedirectResponse("/mma_watchmaps/", 301)

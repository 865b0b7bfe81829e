"""The page of an object: light curve, stamps, context, and why it is here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import psycopg
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from broker_assets.api.connections import database
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.documents import Document
from broker_assets.api.objects import ObjectId, documented, identifier_of
from broker_assets.api.site.frame import FRAMED, page
from broker_assets.api.site.object_parts import Sight, match_times_of, parts_of, sight_of
from broker_assets.api.sources import FOREVER, Packet, SourceId
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources, object_features, objects

if TYPE_CHECKING:
    from broker_assets.tom.versions.definitions import Version

router = APIRouter(include_in_schema=False)
Database = Annotated[psycopg.Connection[Any], Depends(database)]

MOST_ROWS = 300
"""Rows of the table of points; the file has all."""
STAMPS = ("science", "template", "difference")
SMALL = "small"
"""Kind of the picture with all three stamps."""
DRAWING = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
"""Headers of a drawing that is a file of its own, with its style in it."""
WIDE, NARROW = (800, 400), (344, 280)


@dataclass(frozen=True)
class Curve:
    """The light curve of a request."""

    identifier: int
    columns: dict[str, Any]
    """Of the table `objects`."""
    members: dict[int, int]
    """Objects that are one source, with their survey."""
    points: Any
    """`CurvePoints` of all of them."""
    state: Any
    """`ChartState` of the address."""
    version: Version | None
    """The processing version that the address names."""
    shown: Any
    """`Marks` of that state."""
    now: float
    """MJD TAI."""
    sight: Sight
    """What the reader may see."""
    matches: list[tuple[float, str]]
    """Times at which its alerts passed filters that the reader may see, MJD TAI, with the names of the filters."""


def curve_of(request: Request, connection: Database, diaobjectid: ObjectId) -> Curve:
    """Read an object with its light curves in all surveys; HTTP 404 if it is unknown."""
    from broker_assets.lightcurves.chart.marks import marks
    from broker_assets.lightcurves.chart.state import ChartState
    from broker_assets.packets.timescales import unix_to_mjd_tai
    from broker_assets.sky.object_links import members

    text = diaobjectid[:3].upper() + diaobjectid[3:] if diaobjectid[:3].lower() == "ztf" else diaobjectid
    identifier = identifier_of(text)
    cursor = connection.execute("SELECT * FROM objects WHERE diaobjectid = %s", (identifier,))
    row = cursor.fetchone()
    if row is None:
        raise HTTPException(404, f"Object {diaobjectid} is unknown here.")
    columns = dict(zip([column.name for column in cursor.description or ()], row, strict=True))
    found = {member.diaobjectid: member.survey for member in members(connection, identifier)}
    state = ChartState.read(request.query_params)
    version = _version(connection, state.version)
    points = _points_of_version(connection, identifier, found, state, version)
    now = float(unix_to_mjd_tai([time.time()])[0])
    sight = sight_of(request)
    matches = match_times_of(connection, identifier, sight)
    return Curve(identifier, columns, found, points, state, version, marks(points, state), now, sight, matches)


def _version(connection: Database, name: str) -> Version | None:
    from broker_assets.tom.versions.definitions import UnknownVersionError, find

    try:
        return find(connection, name) if name else None
    except UnknownVersionError as error:
        raise HTTPException(404, f"{error}.") from None


def _points_of_version(
    connection: Database, identifier: int, found: dict[int, int], state: Any, version: Version | None
) -> Any:
    """The points of a version, including those of the other objects of the root object; without a version, those of the
    alerts."""
    from broker_assets.api.v1.lightcurves import reductions_of
    from broker_assets.lightcurves.chart.points import curve_points
    from broker_assets.tom.versions.curves import find_roots

    if version is None:
        return curve_points(connection, found, as_of=state.as_of)
    reductions = reductions_of(version)
    every = {*found, *find_roots(connection, [identifier]).objects.tolist()}
    return curve_points(connection, every, as_of=state.as_of, reductions=reductions)


Light = Annotated[Curve, Depends(curve_of)]


@router.get("/objects/{diaobjectid}/", response_class=HTMLResponse)
def object_page(request: Request, connection: Database, curve: Light) -> Response:
    """Everything about an object."""
    from broker_assets.lightcurves.chart.marks import summary
    from broker_assets.lightcurves.chart.rows import rows
    from broker_assets.search.finding import object_title

    columns, points, shown = curve.columns, curve.points, curve.shown
    parts = parts_of(connection, curve.identifier, columns["tns_name"], curve.sight)
    newest = shown.points.where(np.arange(len(shown.points))[::-1][:MOST_ROWS])
    table = [row | {"stamps": has} for row, has in zip(rows(newest), newest.has_packet.tolist(), strict=True)]
    return page(
        request,
        "object.html",
        curve=curve,
        state=curve.state,
        shown=shown,
        title=object_title(curve.identifier),
        members=[(number, object_title(number)) for number in curve.members if number != curve.identifier],
        root=_root(connection, curve.identifier),
        position=_position(columns),
        extremes=_extremes(points),
        summary=summary(shown, curve.state),
        svg=drawn(curve, WIDE),
        narrow_svg=drawn(curve, NARROW) if len(shown) < 3000 else "",
        legend=legend(curve),
        rows=table,
        parts=parts,
        stamps=_stamps(request, points),
        features=_features(_columns_of_version(request, connection, curve)),
        path=f"/objects/{curve.identifier}/",
        finder=_finder(connection, curve),
        allow=FRAMED,
    )


def _root(connection: Database, identifier: int) -> Any:
    """The root object of an object; None before one is assigned."""
    row = connection.execute("SELECT rootid FROM diaobject WHERE diaobjectid = %s", (identifier,)).fetchone()
    return row and row[0]


@router.get("/objects/{diaobjectid}/points.json", response_class=Document)
def points_json(curve: Light) -> Response:
    """What the chart shows, for its script."""
    from broker_assets.lightcurves.chart.rows import document

    found = document(curve.shown, now=curve.now)
    found["symbols"] = [_path(code) for code in (*range(6), -1)]
    found["first"] = curve.columns["firstdiasourcemjdtai"]
    found["matches"] = curve.matches
    found["axes"] = {"x": curve.state.x, "y": curve.state.y}
    return Document(found, headers={"Cache-Control": "no-store"})


@router.get("/objects/{diaobjectid}/points.csv")
def points_csv(curve: Light) -> Response:
    """The points that the chart shows, all of them."""
    from broker_assets.lightcurves.chart.rows import as_csv

    content = as_csv(curve.shown.points)
    disposition = {"Content-Disposition": f'attachment; filename="{curve.identifier}.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=disposition)


@router.get("/objects/{diaobjectid}/curve.svg")
def curve_svg(curve: Light) -> Response:
    """The chart as a file."""
    return Response(drawn(curve, WIDE, standalone=True), media_type="image/svg+xml", headers=DRAWING)


@router.get("/stamps/{diasourceid}/{kind}.png")
def stamp(connection: Database, packet: Packet, diasourceid: SourceId, kind: str) -> Response:
    """A stamp of a detection, north up; science and template have the limits of the science image.

    The kind `small` has all three side by side, so that a row of a table needs one request.
    """
    from broker_assets.packets.cutouts import CutoutError, from_packet
    from broker_assets.packets.stamp_pictures import limits, oriented, stamp_png, stamps_png

    if kind not in (*STAMPS, SMALL):
        raise HTTPException(404, f"There is no stamp {kind}.")
    row = ask(
        connection,
        "SELECT ra, decl FROM diasources WHERE diasourceid = %s AND reduction = 0 AND ra IS NOT NULL LIMIT 1",
        {diasources: [[("diasourceid", "=", diasourceid)]]},
        (diasourceid,),
    ).fetchone()
    needed = {SMALL: STAMPS, "template": ("science", "template")}.get(kind, (kind,))
    drawn: dict[str, Any] = {}
    for name in needed:
        try:
            drawn[name] = oriented(from_packet(packet, name), row)
        except CutoutError as error:
            if kind != SMALL:
                raise HTTPException(404, f"Source {diasourceid}: {error}.") from error
    if not drawn:
        raise HTTPException(404, f"Source {diasourceid} has no stamps.")
    found = []
    for name, one in drawn.items():
        linear = name == "difference"
        measured = one if linear else drawn.get("science", one)
        found.append((one, limits(measured.pixels, difference=linear), not linear))
    if kind == SMALL:
        content = stamps_png(found)
    else:
        asked, ends, stretched = found[-1]
        content = stamp_png(asked, *ends, stretched=stretched)
    return Response(content, media_type="image/png", headers=FOREVER)


@router.get("/objects/{diaobjectid}/why/", response_class=HTMLResponse)
def why_page(request: Request, connection: Database, diaobjectid: ObjectId, source: int | None = None) -> Response:
    """Where the row of an object, or one of its sources, comes from."""
    from broker_assets.packets.kafka_place import kafka_place
    from broker_assets.provenance.why import why

    identifier = identifier_of(diaobjectid)
    table, where = (
        ("objects", {"diaobjectid": identifier})
        if source is None
        else ("diasources", {"diasourceid": source, "diaobjectid": identifier})
    )
    found = why(connection, table, where, kafka_place)
    if not found:
        raise HTTPException(404, f"Object {diaobjectid} is unknown here.")
    disclosure: Disclosure = request.app.state.disclosure
    origins = [disclosure.shown(request, item).model_dump() for item in found]
    return page(request, "why.html", origins=origins, identifier=identifier, source=source)


def _position(columns: dict[str, Any]) -> dict[str, Any] | None:
    """The newest position in both forms, galactic coordinates, and addresses of other services."""
    if columns["ra"] is None or columns["decl"] is None:
        return None
    from broker_assets.lightcurves.galactic import galactic
    from broker_assets.sky.angles import sexagesimal
    from broker_assets.sky.links import links_at

    ra, dec = float(columns["ra"]) % 360.0, float(columns["decl"])
    longitude, latitude = galactic(np.array([ra]), np.array([dec]))
    return {
        "degrees": f"{ra:.6f} {dec:+.6f}",
        "sexagesimal": " ".join(sexagesimal(ra, dec)),
        "galactic": f"{float(longitude[0]):.4f} {float(latitude[0]):+.4f}",
        "links": links_at(ra, dec, tns_name=columns["tns_name"]),
    }


def _extremes(points: Any) -> dict[str, dict[str, Any]]:
    """First, latest and brightest detection."""
    from broker_assets.lightcurves.chart.points import DETECTION
    from broker_assets.lightcurves.chart.rows import rows

    chosen = np.flatnonzero((points.kind == DETECTION) & np.isfinite(points.flux))
    if not len(chosen):
        return {}
    peak = chosen[np.argmax(points.flux[chosen])]
    found = rows(points.where(np.array([chosen[0], chosen[-1], peak])))
    return dict(zip(("first", "latest", "peak"), found, strict=True))


def _stamps(request: Request, points: Any) -> dict[str, Any] | None:
    """The detection whose stamps are shown: the one in the address, else the newest one with stamps."""
    from broker_assets.lightcurves.chart.rows import rows

    with_stamps = np.flatnonzero(points.has_packet)
    if not len(with_stamps):
        return None
    asked = request.query_params.get("s", "")
    chosen = [place for place in with_stamps.tolist() if str(points.identifier[place]) == asked]
    place = chosen[0] if chosen else int(with_stamps[-1])
    order = with_stamps.tolist().index(place)
    found = rows(points.where(np.array([place])))[0]
    near = {"older": order - 1, "newer": order + 1}
    steps = {
        name: str(points.identifier[with_stamps[at]]) if 0 <= at < len(with_stamps) else "" for name, at in near.items()
    }
    return found | {"steps": steps, "number": order + 1, "of": len(with_stamps)}


def _columns_of_version(request: Request, connection: psycopg.Connection[Any], curve: Curve) -> dict[str, Any]:
    """Features of the newest alert; if the address names a version, those of the light curve in it."""
    from broker_assets.api.v1.lightcurves import features_in

    if curve.version is None:
        return curve.columns
    found = features_in(request, connection, curve.identifier, curve.version).to_pylist()
    names = documented(object_features)
    return {column.name: found[0].get(names[column.name]) for column in object_features.columns} if found else {}


def _features(columns: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Names, values and meanings of the features that are known."""
    names = documented(object_features)
    skipped = {"diaobjectid", "diasourceid", "ingestid", "night"}
    return [
        (names[column.name], columns[column.name], column.comment or "")
        for column in object_features.columns
        if column.name not in skipped and column.name in objects.c and columns.get(column.name) is not None
    ]


def _finder(connection: psycopg.Connection[Any], curve: Curve) -> str:
    """A finding chart; empty if the object has no position, or it cannot be read."""
    from broker_assets.sky.finder_svg import finder_svg
    from broker_assets.sky.marked_things import NoPosition, object_field

    try:
        with connection.transaction():
            field = object_field(connection, curve.identifier)
    except (NoPosition, psycopg.ProgrammingError):
        return ""
    others = len(field.points) - 1
    summary = f"Finding chart, {field.width * 3600:.0f}″ wide, north up, with {others} other marked positions"
    return finder_svg(field, summary=summary)


def legend(curve: Curve) -> list[tuple[str, str, int]]:
    """Bands of a light curve, with the path of their symbol and the number of points shown."""
    from broker_assets.lightcurves.photometry import BANDS

    bands = [band for code, band in enumerate(BANDS) if (curve.points.band == code).any()]
    return [(band, _symbol(band), curve.shown.counts[band]) for band in bands]


def drawn(curve: Curve, size: tuple[int, int], *, standalone: bool = False) -> str:
    """The chart of a light curve as SVG, of a width and height in pixels."""
    from broker_assets.lightcurves.chart.svg import chart_svg

    first = curve.columns["firstdiasourcemjdtai"]
    events = [(float(first), "first detection")] if first is not None else []
    return chart_svg(
        curve.shown, curve.state, now=curve.now, size=size, ticks_at=events,
        matches_at=[(mjd, f"passed {names}") for mjd, names in curve.matches], standalone=standalone,
    )  # fmt: skip


def _path(code: int) -> str:
    from broker_assets.lightcurves.chart.svg import symbol

    return symbol(code)


def _symbol(band: str) -> str:
    from broker_assets.lightcurves.photometry import BANDS

    return _path(BANDS.index(band))

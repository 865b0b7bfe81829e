"""Pages of solar-system objects: search by designation, track on the sky, light curve, table, downloads, links."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

import numpy as np
import psycopg
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from broker_assets.api.connections import database
from broker_assets.api.documents import Document
from broker_assets.api.objects import documented
from broker_assets.api.site.frame import page
from broker_assets.database.tables import ssobjects, sssources

router = APIRouter(prefix="/sso", include_in_schema=False)
Database = Annotated[psycopg.Connection[Any], Depends(database)]

MOST_ROWS: Final = 300
"""Rows of the table of detections; the CSV has all."""
WIDE, NARROW = (760, 380), (344, 300)
DRAWING = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
"""Headers of a drawing that is a file of its own, with its style in it."""


@dataclass(frozen=True)
class Track:
    """An object of a request."""

    name: str
    """As the address has it."""
    found: Any
    """`KnownObject`."""
    rows: Any
    """Table of its detections."""
    state: Any
    """`TrackState` of the address."""
    points: Any
    """`CurvePoints` of all detections."""
    shown: Any
    """`Marks` of the state."""
    now: float
    """MJD TAI."""


def track_of(request: Request, connection: Database, designation: str) -> Track:
    """Read an object with its detections; HTTP 404 if nothing is stored about it."""
    from broker_assets.lightcurves.chart.marks import marks
    from broker_assets.lightcurves.chart.track import TrackState, points_of
    from broker_assets.lightcurves.solar_system import UnknownObjectError, find, track
    from broker_assets.packets.timescales import unix_to_mjd_tai

    state = TrackState.read(request.query_params)
    try:
        found = find(connection, designation)
    except UnknownObjectError as error:
        raise HTTPException(404, f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    rows = track(connection, found.identifiers, within=state.within)
    points = points_of(rows, state)
    now = float(unix_to_mjd_tai([time.time()])[0])
    return Track(designation, found, rows, state, points, marks(points, state.chart), now)


Found = Annotated[Track, Depends(track_of)]


@router.get("/")
def contents(request: Request, connection: Database) -> Response:
    """Search by designation, and the objects of the newest night."""
    return _contents(request, connection)


@router.get("/search")
def search(request: Request, connection: Database, q: str = "") -> Response:
    """Redirect from the search field to the object, or say that it was not found."""
    from broker_assets.lightcurves.solar_system import UnknownObjectError, find

    text = " ".join(q.split())[:100]
    if not text:
        return RedirectResponse("/sso/", 303)
    try:
        find(connection, text)
    except UnknownObjectError:
        return _contents(request, connection, text)
    return RedirectResponse(f"/sso/{quote(text, safe='')}/", 303)


def _contents(request: Request, connection: psycopg.Connection[Any], text: str = "") -> Response:
    """The list; HTTP 404 for a designation about which nothing is stored."""
    from broker_assets.lightcurves.solar_system import newest_night

    night, objects, total = newest_night(connection)
    return page(
        request, "solar_system.html", 404 if text else 200, text=text, night=night, objects=objects, total=total
    )  # fmt: skip


@router.get("/{designation:path}/points.json", response_class=Document)
def points_json(track: Found) -> Response:
    """What the chart shows, for its script."""
    from broker_assets.lightcurves.chart.rows import document
    from broker_assets.lightcurves.chart.svg import symbol
    from broker_assets.lightcurves.chart.track import Y_AXES

    found = document(track.shown, now=track.now)
    found["symbols"] = [symbol(code) for code in (*range(6), -1)]
    found["first"] = None
    found["axes"] = {"x": track.state.chart.x, "y": "mag"}
    found["label"] = Y_AXES[track.state.y]
    found["sources"] = "/search/src:"
    return Document(found, headers={"Cache-Control": "no-store"})


@router.get("/{designation:path}/track.csv")
def track_csv(track: Found) -> Response:
    """All detections within the distance of the address from their predicted positions."""
    from broker_assets.api.solar_system import TRACK_NAMES
    from broker_assets.lightcurves.chart.track import track_csv as as_csv

    content = as_csv(track.rows, documented(sssources) | TRACK_NAMES)
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=_file(track, "csv"))


@router.get("/{designation:path}/curve.svg")
def curve_svg(track: Found) -> Response:
    """The light curve as a file."""
    headers = DRAWING | _file(track, "svg", "-curve")
    return Response(_curve(track, WIDE, standalone=True), media_type="image/svg+xml", headers=headers)


@router.get("/{designation:path}/track.svg")
def track_svg(track: Found) -> Response:
    """The track on the sky as a file."""
    drawn = _sky(track, WIDE, standalone=True)
    if not drawn:
        raise HTTPException(404, "No detection with a position is stored.")
    return Response(drawn, media_type="image/svg+xml", headers=DRAWING | _file(track, "svg", "-track"))


@router.get("/{designation:path}/")
def one(request: Request, track: Found) -> Response:
    """An object."""
    from broker_assets.lightcurves.chart.svg import symbol
    from broker_assets.lightcurves.chart.track import track_rows
    from broker_assets.lightcurves.photometry import BANDS
    from broker_assets.lightcurves.solar_system import title
    from broker_assets.sky.links import links_of_designation

    found, rows = track.found, track.rows
    bands = [(band, symbol(code)) for code, band in enumerate(BANDS) if (track.points.band == code).any()]
    listed = track_rows(rows.slice(max(0, len(rows) - MOST_ROWS)))[::-1]
    name = _searched(found)
    summary = _summary(track)
    return page(
        request, "solar_system_object.html", track=track, state=track.state, shown=track.shown, title=title(found),
        path=f"/sso/{quote(track.name, safe='')}/", bands=bands, rows=listed, total=len(rows),
        without=len(rows) - len(track.points), counts=track.shown.counts,
        designations=found.designations, identifiers=found.identifiers, orbits=found.orbits,
        objects=[_named(row) for row in found.objects], links=links_of_designation(name) if name else [],
        sky=_sky(track, WIDE), narrow_sky=_sky(track, NARROW), track_summary=summary,
        curve=_curve(track, WIDE), narrow_curve=_curve(track, NARROW), curve_summary=_axes(track).summary,
    )  # fmt: skip


def _searched(found: Any) -> str:
    """The number of an object, else its unpacked designation: the key in other services."""
    for orbit in found.orbits:
        if orbit["permid"] or orbit["unpacked_primary_provisional_designation"]:
            return str(orbit["permid"] or orbit["unpacked_primary_provisional_designation"])
    return next((str(row["designation"]) for row in found.objects if row["designation"]), "") or next(
        iter(found.designations), ""
    )


def _named(row: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Names, values and meanings of the known properties of an object according to surveys."""
    names = documented(ssobjects)
    skipped = {"ssobjectid", "designation", "broughtby", "survey", "ingestid", "night"}
    return [
        (names[column.name], row[column.name], column.comment or "")
        for column in ssobjects.columns
        if column.name not in skipped and row.get(column.name) is not None
    ]


def _axes(track: Track) -> Any:
    from broker_assets.lightcurves.chart.track import axes_of

    return axes_of(track.points, track.state)


def _curve(track: Track, size: tuple[int, int], *, standalone: bool = False) -> str:
    from broker_assets.lightcurves.chart.svg import chart_svg

    return chart_svg(
        track.shown, track.state.chart, now=track.now, size=size, standalone=standalone, axes=_axes(track)
    )  # fmt: skip


def _positions(track: Track) -> tuple[Any, Any, Any, Any]:
    from broker_assets.lightcurves.photometry import band_codes

    rows = track.rows
    codes = band_codes([name or "" for name in rows["band"].to_pylist()])
    mjd, ra, dec = (rows[name].to_numpy() for name in ("midpointmjdtai", "ra", "decl"))
    return mjd, ra, dec, codes


def _summary(track: Track) -> str:
    from broker_assets.lightcurves.chart.track_svg import track_summary

    mjd, ra, dec, _ = _positions(track)
    known = np.isfinite(np.asarray(ra, np.float64))
    return track_summary(mjd[known], ra[known], dec[known])


def _sky(track: Track, size: tuple[int, int], *, standalone: bool = False) -> str:
    from broker_assets.lightcurves.chart.rows import utc_texts
    from broker_assets.lightcurves.chart.track_svg import track_svg as drawn

    mjd, ra, dec, codes = _positions(track)
    titles = [
        f"{when} UTC, RA {east:.5f} Dec {north:+.5f}" for when, east, north in zip(utc_texts(mjd), ra, dec, strict=True)
    ]
    return drawn(mjd, ra, dec, codes, titles=titles, summary=_summary(track), size=size, standalone=standalone)


def _file(track: Track, kind: str, what: str = "") -> dict[str, str]:
    """The header that names a download."""
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in track.name)
    return {"Content-Disposition": f'attachment; filename="{name}{what}.{kind}"'}

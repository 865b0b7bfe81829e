"""The page of a root object: its objects, their light curve in a version of the processing, and its spectra."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from psycopg.rows import dict_row

from broker_assets.api.connections import database
from broker_assets.api.site.forms import missing
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.object_page import WIDE

router = APIRouter(prefix="/roots", include_in_schema=False)
Database = Annotated[psycopg.Connection[Any], Depends(database)]

_MEMBERS: Final = (
    "SELECT member.diaobjectid, base.description AS base, own.diaobjectid IS NOT NULL AS stored, own.ndiasources,"
    " own.firstdiasourcemjdtai AS first, own.lastdiasourcemjdtai AS last FROM diaobject AS member"
    " JOIN base_processing_version AS base ON base.id = member.base_procver_id"
    " LEFT JOIN objects AS own ON own.diaobjectid = member.diaobjectid WHERE rootid = %s ORDER BY 1"
)
_SPECTRA: Final = {
    "wanted": "SELECT requester, priority, wanttime, is_host FROM wantedspectra WHERE root_diaobject_id = %s"
    " ORDER BY priority DESC, wanttime",
    "planned": "SELECT facility, plantime, comment, is_host FROM plannedspectra WHERE root_diaobject_id = %s"
    " ORDER BY plantime",
    "known": "SELECT facility, mjd, z, classid, class_description, is_host FROM spectruminfo"
    " WHERE root_diaobject_id = %s ORDER BY mjd",
}


@router.get("/{root}/")
def one(request: Request, connection: Database, root: uuid.UUID, processing_version: str = "") -> Response:
    """Everything about a root object."""
    from broker_assets.search.finding import object_title
    from broker_assets.tom.versions import definitions

    # As on the board: who wants spectra is for accounts.
    known = viewer_of(request).user is not None
    name = processing_version[:200] or definitions.DEFAULT
    place = _one(connection, "SELECT ra, dec, survey FROM root_diaobject WHERE id = %s", root)
    if place is None:
        missing("root object", root)
    try:
        version = definitions.find(connection, name)
    except definitions.UnknownVersionError as error:
        raise HTTPException(404, f"{error}.") from None
    members = _rows(connection, _MEMBERS, root)
    linked = _rows(connection, "SELECT DISTINCT linkedrootid FROM root_link WHERE rootid = %s", root)
    drawing, count = _curve(connection, [member["diaobjectid"] for member in members], version)
    return page(
        request, "root.html", root=root, place=place, version=name, versions=definitions.names(connection),
        members=[member | {"title": object_title(member["diaobjectid"])} for member in members],
        linked=[row["linkedrootid"] for row in linked], svg=drawing, count=count,
        spectra={kind: _rows(connection, query, root) if known else [] for kind, query in _SPECTRA.items()},
        known=known,
    )  # fmt: skip


def _curve(connection: psycopg.Connection[Any], objects: list[int], version: Any) -> tuple[str, int]:
    """The light curve of some objects in a version as SVG, and how many points it has."""
    from broker_assets.api.v1.lightcurves import reductions_of
    from broker_assets.lightcurves.chart.marks import marks
    from broker_assets.lightcurves.chart.points import curve_points
    from broker_assets.lightcurves.chart.state import ChartState
    from broker_assets.lightcurves.chart.svg import chart_svg
    from broker_assets.packets.timescales import unix_to_mjd_tai

    state = ChartState()
    shown = marks(curve_points(connection, objects, reductions=reductions_of(version)), state)
    now = float(unix_to_mjd_tai([time.time()])[0])
    return chart_svg(shown, state, now=now, size=WIDE), len(shown)


def _rows(connection: psycopg.Connection[Any], query: str, root: uuid.UUID) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (root,)).fetchall()  # type: ignore[arg-type]


def _one(connection: psycopg.Connection[Any], query: str, value: uuid.UUID) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (value,)).fetchone()  # type: ignore[arg-type]

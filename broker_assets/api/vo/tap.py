"""Table Access Protocol (IVOA TAP 1.1): synchronous ADQL over the published tables, and descriptions of the service."""

from __future__ import annotations

import threading
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from broker_assets.api.v1 import answers
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.api.vo import vosi
from broker_assets.api.vo.parameters import PATH, VoError, base_of
from broker_assets.api.vo.tap_jobs import SECONDS, longest
from broker_assets.api.vo.tap_questions import GivenParameters, question

router = APIRouter(tags=["VO"])

EXAMPLES: Final = (
    ("objects in a cone", "SELECT TOP 10 diaobjectid, ra, decl FROM objects\n"
     "WHERE 1 = CONTAINS(POINT('ICRS', ra, decl), CIRCLE('ICRS', 150.1, 2.2, 0.1))"),
    ("objects in a polygon", "SELECT TOP 10 diaobjectid, ra, decl FROM objects\n"
     "WHERE 1 = CONTAINS(POINT('ICRS', ra, decl), POLYGON('ICRS', 150, 2, 151, 2, 151, 3, 150, 3))"),
    ("newest observations", "SELECT TOP 10 obs_id, dataproduct_type, t_min, access_url FROM ivoa.obscore\n"
     "ORDER BY t_min DESC"),
    ("light curve", "SELECT midpointmjdtai, band, psfflux, psffluxerr FROM diasources\n"
     "WHERE diaobjectid = 313853499600420864 ORDER BY midpointmjdtai"),
    ("columns with a unit", "SELECT table_name, column_name, unit FROM tap_schema.columns WHERE unit = 'nJy'"),
)  # fmt: skip


@router.get("/tap/sync", response_class=Response, operation_id="tap_sync_get")
@router.post("/tap/sync", response_class=Response, operation_id="tap_sync_post")
def sync(request: Request, viewer: Anybody, given: GivenParameters) -> Response:
    """Run QUERY (LANG=ADQL); MAXREC rows at most, RESPONSEFORMAT votable, csv or parquet; UPLOAD tables with it."""
    from broker_assets.filters.adql_polygons import AdqlError
    from broker_assets.filters.tap import TookTooLong, run
    from broker_assets.filters.tap_uploads import BadUpload, read_upload

    asked = question(given.values, most=viewer.rows)
    seconds: float = min(request.app.state.interactive_seconds, LONGEST_SECONDS)
    slots: threading.BoundedSemaphore = request.app.state.tap_slots
    if not slots.acquire(timeout=WAIT_SECONDS):
        raise VoError("several queries are running; try again, or use the asynchronous interface", 503)
    try:
        uploads = {name: read_upload(content) for name, content in given.uploads.items()}
        with request.app.state.connections.use() as connection:
            found = run(
                connection, asked.query, limit=asked.rows, seconds=seconds, viewer=viewer.name, uploads=uploads,
                address=base_of(request),
            )  # fmt: skip
    except (AdqlError, BadUpload) as error:
        raise VoError(str(error)) from error
    except TookTooLong as error:
        raise VoError(f"{error}: ask for less, or use the asynchronous interface", 503) from error
    finally:
        slots.release()
    batches = found.table.combine_chunks().to_batches()
    return answers.table(
        batches, found.table.schema, asked.form, "result", overflows=lambda: found.overflows,
        most=asked.rows if found.overflows else None,
    )  # fmt: skip


AT_ONCE: Final = 4
"""Most synchronous queries of a process at once: slow ones must leave connections for all other requests."""
WAIT_SECONDS: Final = 3.0
"""Longest time that a query waits until another one has ended."""
LONGEST_SECONDS: Final = 15.0
"""Time limit of a synchronous query; shorter than that of a connection of this server."""


@router.get("/tap/capabilities", response_class=Response)
def capabilities(request: Request, viewer: Anybody) -> Response:
    """What this service can do (VOSI)."""
    limits = vosi.Limits(viewer.rows, SECONDS, longest(viewer))
    return _xml(vosi.capabilities(_base(request), limits))


@router.get("/tap/availability", response_class=Response)
def availability(connection: Database) -> Response:
    """Whether it is up (VOSI)."""
    connection.execute("SELECT 1")
    return _xml(vosi.availability())


@router.get("/tap/tables", response_class=Response)
def tables() -> Response:
    """Tables and columns (VOSI)."""
    return _xml(vosi.tables())


@router.get("/tap/examples", response_class=HTMLResponse)
def examples() -> Response:
    """Example queries (DALI examples)."""
    parts = [
        Markup(
            '<div typeof="example" id="e{0}" resource="#e{0}"><h2 property="name">{1}</h2>'
            '<pre property="query">{2}</pre></div>'
        ).format(number, name, query)
        for number, (name, query) in enumerate(EXAMPLES, 1)
    ]
    head = Markup('<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>TAP examples</title></head>')
    body = Markup('<body vocab="http://www.ivoa.net/rdf/examples#">{}</body></html>').format(Markup("").join(parts))
    return HTMLResponse(head + body, headers={"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"})


def _base(request: Request) -> str:
    return f"{base_of(request)}{PATH}/tap"


def _xml(content: Any) -> Response:
    return Response(content, media_type="text/xml")

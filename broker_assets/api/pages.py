"""The status page, the same as JSON, and the probes of load balancers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup, escape

from broker_assets.api.connections import Connections, explained
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.documents import Document
from broker_assets.api.site import frame
from broker_assets.api.templating import templates
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.monitoring.freshness import Miss, misses
from broker_assets.monitoring.status import Status
from broker_assets.monitoring.telemetry.overview import Overview

router = APIRouter(tags=["platform"])

REFRESH = 5
"""Refresh interval of the page, seconds."""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def _commands(text: str) -> Markup:
    """Format text between backticks as commands."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


templates.filters["commands"] = _commands
templates.filters["duration"] = _duration
templates.filters["number"] = lambda value: "–" if value is None else f"{value:,}"


def _status(request: Request) -> Status:
    disclosure: Disclosure = request.app.state.disclosure
    found: Status = disclosure.shown(request, request.app.state.observer.status())
    return found


def _telemetry(request: Request) -> Overview:
    disclosure: Disclosure = request.app.state.disclosure
    found: Overview = disclosure.shown(request, request.app.state.observer.telemetry())
    return found


def _missed(request: Request) -> list[Miss]:
    """Freshness targets that were missed; none while the database is unavailable."""
    connections: Connections = request.app.state.connections
    disclosure: Disclosure = request.app.state.disclosure
    try:
        with connections.use() as connection:
            return [disclosure.shown(request, miss) for miss in misses(connection)]
    except DatabaseUnavailableError:
        return []


def _operates(request: Request) -> bool:
    user = frame.viewer_of(request).user
    return user is not None and user.operates


@router.get("/status/", response_class=HTMLResponse, include_in_schema=False)
def page(request: Request) -> Response:
    """The status page."""
    return frame.page(
        request,
        "status.html",
        status=_status(request),
        telemetry=_telemetry(request),
        misses=_missed(request),
        operates=_operates(request),
        refresh=REFRESH,
        version=request.app.version,
    )


@router.get("/fragment", response_class=HTMLResponse, include_in_schema=False)
def fragment(request: Request) -> Response:
    """The part of the page that changes."""
    content = templates.get_template("fragment.html").render(
        status=_status(request),
        telemetry=_telemetry(request),
        misses=_missed(request),
        operates=_operates(request),
    )
    return HTMLResponse(content, headers={"Cache-Control": "no-store"})


@router.get("/ready", response_class=Document)
def ready(request: Request) -> Response:
    """Whether requests can be answered: 200 if the database answers, else 503. For load balancers and probes."""
    connections: Connections = request.app.state.connections
    try:
        with connections.use() as connection:
            connection.execute("SELECT 1")
    except DatabaseUnavailableError as error:
        return Document({"status": explained(error)}, 503)
    return Document({"status": "ok"})


@router.get("/health", response_class=Document)
def health(request: Request) -> Response:
    """Whether all is well with the platform, as `broker-assets status` judges: 200, or 503 with the problems."""
    found = _status(request)
    content = {
        "status": "ok" if found.healthy else "problems",
        "problems": found.problems,
        "notices": found.notices,
        "alerts": len(found.alerts),
        "watched_at": found.watched_at,
    }
    return Document(content, 200 if found.healthy else 503, headers={"Cache-Control": "no-store"})


@router.get("/api/status", response_class=Document)
def status(request: Request) -> Response:
    """Services, lag, open alerts, latest batches, quarantine and stale artefacts."""
    return Document(_status(request), headers={"Cache-Control": "no-store"})


@router.get("/api/telemetry", response_class=Document)
def telemetry(request: Request) -> Response:
    """Incoming files, packets, products, kernels, deliveries, and what needs attention."""
    return Document(_telemetry(request), headers={"Cache-Control": "no-store"})

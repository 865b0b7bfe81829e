"""The front page: search, health in a sentence, and the objects of the last nights."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections import Counter
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from broker_assets.api.connections import Connections
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.site.frame import page
from broker_assets.database.engine import DatabaseUnavailableError

log = logging.getLogger(__name__)
router = APIRouter()

NIGHTS = 3
"""Nights, up to the newest one, whose objects are shown."""
FRESH = 20.0
"""Seconds for which what the page shows is reused."""
ON_MAP = 300
IN_LIST = 12


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def front(request: Request) -> Response:
    """The front page; without a database it says so, and what works still works."""
    connections: Connections = request.app.state.connections
    found: dict[str, Any] = {"rates": [], "brightest": [], "newest": [], "sky": "", "classes": [], "unavailable": False}
    try:
        found |= _fresh(request.app.state, connections)
    except DatabaseUnavailableError as error:
        log.warning("%s", error)
        found["unavailable"] = True
    return page(request, "front.html", **found)


@router.get("/health-sentence", response_class=HTMLResponse, include_in_schema=False)
def health(request: Request) -> Response:
    """Health in a sentence, for the front page, which does not wait: checking may take seconds."""
    from broker_assets.api.templating import templates

    disclosure: Disclosure = request.app.state.disclosure
    status = disclosure.shown(request, request.app.state.observer.status())
    text = templates.get_template("health.html").render(status=status)
    return HTMLResponse(text, headers={"Cache-Control": "no-store"})


def _fresh(state: Any, connections: Connections) -> dict[str, Any]:
    """The content that is the same for all readers, at most `FRESH` seconds old, since it reads the objects of several
    nights.

    While it is refreshed for one reader, the others get the previous content.
    """
    if not hasattr(state, "recent"):
        state.recent, state.recent_at, state.recent_lock = None, 0.0, threading.Lock()
    known: dict[str, Any] | None = state.recent
    if known is not None and (time.monotonic() - state.recent_at < FRESH or state.recent_lock.locked()):
        return known
    with state.recent_lock, connections.use() as connection:
        state.recent = _recent(connection)
        state.recent_at = time.monotonic()
        return dict(state.recent)


def _recent(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    from broker_assets.monitoring.recent_objects import rates, recent_objects
    from broker_assets.search.finding import object_title
    from broker_assets.sky.sky_svg import class_key, shape, sky_svg

    nights = rates(connection)
    if not nights:
        return {}
    since = nights[0].night - datetime.timedelta(days=NIGHTS - 1)
    bright = recent_objects(connection, since, brightest=True, most=ON_MAP)
    newest = recent_objects(connection, since, brightest=False, most=IN_LIST)
    counts = Counter(class_key(one.classification) for one in bright)
    summary = f"{len(bright)} new objects since {since}: " + ", ".join(
        f"{n} {name}" for name, n in counts.most_common()
    )
    titles = [
        f"{object_title(one.diaobjectid)}, {one.classification or 'near to nothing'}"
        + (f", magnitude {one.magnitude:.1f}" if one.magnitude is not None else "")
        for one in bright
    ]
    sky = sky_svg(
        [one.ra for one in bright],
        [one.decl for one in bright],
        [one.classification for one in bright],
        titles=titles,
        links=[f"/objects/{one.diaobjectid}/" for one in bright],
        summary=summary,
    )
    return {
        "rates": nights,
        "since": since,
        "most": max(one.alerts for one in nights) or 1,
        "brightest": [(one, object_title(one.diaobjectid)) for one in bright[:IN_LIST]],
        "newest": [(one, object_title(one.diaobjectid)) for one in newest],
        "sky": sky if bright else "",
        "classes": [(name, count, shape(name)) for name, count in counts.most_common()],
        "summary": summary,
    }

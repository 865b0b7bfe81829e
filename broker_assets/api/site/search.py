"""Search by name, identifier, position, designation, file or night."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import psycopg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker_assets.api.connections import database
from broker_assets.api.site.frame import is_served, page

router = APIRouter()
Database = Annotated[psycopg.Connection[Any], Depends(database)]

KINDS = {
    "object": "Objects",
    "source": "Sources",
    "solar system": "Solar system",
    "file": "Files",
    "night": "Nights",
}
"""Headings of the kinds of hits, in this order."""


@router.get("/search", include_in_schema=False)
@router.get("/search/", include_in_schema=False)
def search_box(q: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """Redirect from the search box to the address of the search."""
    from broker_assets.search.reading import plain

    text = plain(q)
    return RedirectResponse(f"/search/{quote(text, safe='')}" if text else "/", 303)


@router.get("/search/{text:path}", response_class=HTMLResponse, include_in_schema=False)
def search(request: Request, connection: Database, text: str) -> Response:
    """Results of a search: a single hit opens at once, several are listed."""
    from broker_assets.search.finding import find
    from broker_assets.search.reading import plain, read, trouble

    text = plain(text)
    found = find(connection, read(text))
    addresses = {(hit.kind, hit.name): address(request, connection, hit) for hit in found.hits}
    if len(found.hits) == 1 and (only := addresses[found.hits[0].kind, found.hits[0].name]):
        return RedirectResponse(only, 303)
    groups = [(title, found.of(kind)) for kind, title in KINDS.items() if found.of(kind)]  # type: ignore[arg-type]
    code = 200 if found.hits else 404
    return page(
        request,
        "search.html",
        code,
        query=text,
        trouble=trouble(text),
        found=found,
        groups=groups,
        addresses=addresses,
        numbers=f"{found.total:,}",
    )


def address(request: Request, connection: psycopg.Connection[Any], hit: Any) -> str:
    """Address of the page of a hit, or of its document if it has no page; empty if it has neither."""
    from broker_assets.search.finding import object_of_source

    name = quote(hit.name, safe="")
    if hit.kind == "source":
        owner = object_of_source(connection, int(hit.name))
        return f"/objects/{owner}/#source-{name}" if owner else f"/api/why/{name}"
    if hit.kind == "object":
        return f"/objects/{name}/"
    pages = {"solar system": "/sso/{}/", "file": "/telemetry/products/{}", "night": "/nights/{}/"}
    documents = {"solar system": "/api/solar-system/{}", "file": "", "night": ""}
    wanted = pages[hit.kind].format(name)
    return wanted if is_served(request.app, wanted) else documents[hit.kind].format(name)

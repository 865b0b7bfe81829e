"""The page of a product file: state, download, preview, headers, origin, versions and their difference, publication."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from urllib.parse import quote

import psycopg
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from broker_assets.api.connections import Connections
from broker_assets.api.site.forms import missing
from broker_assets.api.site.frame import page
from broker_assets.api.site.telemetry_shared import said_to

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)

Name = Annotated[str, Path(min_length=1, max_length=250)]
Version = Annotated[int | None, Query(ge=0, lt=10**12)]
MOST_CHANGES: Final = 500
"""Differences that are listed."""


@dataclass
class Inside:
    """Content of the file itself."""

    headers: list[Any] = field(default_factory=list)
    drawn: str = ""
    """What its picture shows; empty if there is none."""
    undrawn: str = ""
    """Why there is no picture."""
    unreadable: str = ""
    """Why it cannot be read; it is downloaded nevertheless."""
    gone: str = ""
    """Why there is no file at all."""


@router.get("/telemetry/products/{name}")
def one(request: Request, name: Name, v: Version = None, compare: Version = None) -> Response:
    """A product file; `v` leads to another version of it, `compare` shows what differs from one."""
    from broker_assets.provenance import product_files
    from broker_assets.publication import questions, side_by_side
    from broker_assets.telemetry import product_versions

    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        contents, found, versions = _known(connection, name)
        if v is not None and v != found["version"]:
            other = next((item for item in versions if item["version"] == v), None)
            if other is None:
                missing("version", f"{v} of {name}")
            query = f"?compare={compare}" if compare is not None else ""
            return RedirectResponse(f"/telemetry/products/{quote(other['name'], safe='')}{query}", 302)
        why = next(
            (item for item in product_files.why(connection, name) if item.productfileid == found["productFileId"]), None
        )
        children = product_versions.children(connection, name)
        complete = questions.complete_name(name)
        decisions = side_by_side.of_name(connection, complete)
        receipts = questions.receipts(connection, name=complete)
        comparisons = {
            entry.publicationid: (delivered, side_by_side.fact_rows(entry.facts, delivered.facts))
            for entry in decisions
            if entry.status == "held" and (delivered := side_by_side.compared_with(connection, entry)) is not None
        }
        stale = request.app.state.telemetry_states(connection).stale.get(found["path"], "")
        compared = next((item for item in versions if item["version"] == compare), None)
        if compare is not None and compared is None:
            missing("version", f"{compare} of {name}")
    state = state_of(found, stale, decisions)
    inside = inside_of(_place(request, found))
    return page(
        request, "telemetry_product.html", found=found, contents=contents, versions=versions, why=why,
        children=children, decisions=decisions, receipts=receipts, comparisons=comparisons, state=state, stale=stale,
        inside=inside, compared=compared, said=lambda text: said_to(request, text), most=MOST_CHANGES,
        changes=None if compared is None else _changes(request, compared, inside), path=quote(name, safe=""),
        download=f"/api/v1/products/{found['productFileId']}/file", base=str(request.base_url).rstrip("/"),
        mjd=product_versions.mjd_of,
    )  # fmt: skip


@router.get("/telemetry/products/{name}/preview.png")
def preview(request: Request, name: Name) -> Response:
    """What the file measured, as a picture."""
    from broker_assets.telemetry.products.files.reading import UnreadableFile
    from broker_assets.telemetry.products.preview import NoPreview, preview_png

    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        _, found, _ = _known(connection, name)
    place = _place(request, found)
    if isinstance(place, str):
        missing("preview of", name)
    try:
        content = preview_png(place)
    except (NoPreview, UnreadableFile, OSError):
        missing("preview of", name)
    headers = {"Cache-Control": "private, max-age=60", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="image/png", headers=headers)


def _known(
    connection: psycopg.Connection[Any], name: str
) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """Contents, the present one, and other versions."""
    from broker_assets.telemetry import product_versions
    from broker_assets.telemetry.product_search import UnknownProduct

    try:
        contents = product_versions.contents(connection, name.replace("\0", ""))
    except UnknownProduct:
        missing("product file", name)
    return contents, contents[0], product_versions.versions(connection, contents[0])


def _place(request: Request, found: dict[str, Any]) -> FilePath | str:
    """Path of the file, or why it is missing."""
    from broker_assets.telemetry.product_search import ProductGone, file_of

    try:
        return file_of(request.app.state.telemetry_products, found)
    except ProductGone as error:
        return str(error)


def inside_of(place: FilePath | str) -> Inside:
    """Read the file as far as it can be read."""
    from broker_assets.telemetry.products.files.header_cards import headers_of
    from broker_assets.telemetry.products.files.reading import UnreadableFile
    from broker_assets.telemetry.products.preview import NoPreview, measured

    if isinstance(place, str):
        return Inside(gone=place)
    inside = Inside()
    if place.suffix != ".fits":
        inside.undrawn = "It is not a FITS file: download it to see it."
        return inside
    try:
        inside.headers = headers_of(place)
        inside.drawn = measured(place).said
    except NoPreview as error:
        inside.undrawn = f"There is no preview: {error}."
    except (UnreadableFile, OSError) as error:
        inside.unreadable = str(error) if isinstance(error, UnreadableFile) else error.strerror or "it cannot be read"
    except Exception as error:  # the content may be anything; the page says why and offers the file
        log.warning("%s cannot be read", place.name, exc_info=True)
        inside.unreadable = f"{type(error).__name__}: {error}"
    return inside


def _changes(request: Request, before: dict[str, Any], inside: Inside) -> list[Any] | str:
    """What differs from another version, or why it cannot be compared."""
    from broker_assets.telemetry.product_search import product
    from broker_assets.telemetry.products.files.header_cards import header_difference, headers_of
    from broker_assets.telemetry.products.files.reading import UnreadableFile

    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        place = _place(request, product(connection, before["productFileId"]))
    if isinstance(place, str):
        return place
    if not inside.headers:
        return inside.unreadable or inside.gone or "This file has no headers."
    try:
        return header_difference(headers_of(place), inside.headers)
    except (UnreadableFile, OSError) as error:
        return str(error) if isinstance(error, UnreadableFile) else f"{before['name']} cannot be read"


def state_of(found: dict[str, Any], stale: str, decisions: list[Any]) -> str:
    """The state of a file, the worst that holds."""
    if found["superseded"] is not None:
        return "replaced"
    open_ones = {entry.status for entry in decisions if entry.digest == found["digest"] and not entry.agreed}
    for status, state in (("error", "failed"), ("held", "held")):
        if status in open_ones:
            return state
    if stale:
        return "stale"
    return "incomplete" if found["incomplete"] else "complete"

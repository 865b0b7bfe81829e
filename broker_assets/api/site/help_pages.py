"""Help: the documentation as pages."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.site import manual
from broker_assets.api.site.frame import page

router = APIRouter(prefix="/help", include_in_schema=False)

FIRST: Final = "guide/first-message"
"""The document with which a newcomer begins."""


@router.get("/")
def contents(request: Request) -> Response:
    """All documents."""
    known = manual.documents()
    names = [name for name in known if name.startswith("guide/")]
    guide = {name: known[name] for name in sorted(names, key=lambda name: (name != FIRST, known[name]))}
    others = {name: title for name, title in known.items() if name not in guide}
    return page(request, "help.html", guide=guide, others=others)


@router.get("/pictures/{name}")
def picture(name: str) -> Response:
    """A picture of a document."""
    try:
        content = manual.picture(name)
    except manual.NoSuchDocument:
        raise HTTPException(404, "There is no such picture.") from None
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="image/png", headers=headers)


@router.get("/{name:path}")
def document(request: Request, name: str) -> Response:
    """A document; its examples show the address that the reader used."""
    address = f"{request.url.scheme}://{request.url.netloc}"
    try:
        found = manual.rendered(name.removesuffix("/").removesuffix(".md"), address=address)
    except manual.NoSuchDocument:
        raise HTTPException(404, "There is no such page of help.") from None
    return page(request, "help_page.html", found=found)

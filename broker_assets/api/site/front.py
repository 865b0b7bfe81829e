"""The front page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from broker_assets.api.site.frame import page

router = APIRouter()


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def front(request: Request) -> Response:
    """The front page."""
    return page(request, "front.html")

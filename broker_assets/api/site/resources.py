"""Public resources: filters, lists and areas that everybody may see and copy."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site.frame import page
from broker_assets.filters import history
from broker_assets.filters.registry import list_filters
from broker_assets.sky.overview import summaries

router = APIRouter(include_in_schema=False)


@router.get("/comres/")
def public(request: Request) -> Response:
    """What is public, with a button to copy each."""
    with accounts_of(request) as connection:
        filters = [entry for entry in list_filters(connection) if entry.public]
        passed = history.passed(connection, [entry.filterid for entry in filters])
        watchlists = [entry for entry in summaries(connection, "watchlist") if entry.public]
        areas = [entry for entry in summaries(connection, "area") if entry.public]
    return page(request, "resources.html", filters=filters, passed=passed, watchlists=watchlists, areas=areas)

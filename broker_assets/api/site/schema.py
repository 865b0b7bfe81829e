"""The tables that users' SQL may read: every column with its type, unit and meaning."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.site.frame import page
from broker_assets.database.published_columns import published_tables
from broker_assets.filters.schema import ALIASES, TABLES

router = APIRouter(include_in_schema=False)


@router.get("/schema/")
def schema(request: Request) -> Response:
    """All tables on one page, so that the browser's search finds every column."""
    tables = published_tables()
    in_filters = {name: sorted(column.name for column in table.columns.values()) for name, table in TABLES.items()}
    in_filters |= {alias: in_filters[name] for alias, name in ALIASES.items()}
    return page(
        request, "schema.html", tables=tables, in_filters=in_filters,
        restricted={name: table.restricted for name, table in TABLES.items() if table.restricted},
        columns=sum(len(table.columns) for table in tables),
    )  # fmt: skip

"""Telemetry: a calendar of what arrived by state, a search for product files, and publications."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.site.telemetry_shared import overview_of, said_to

router = APIRouter(include_in_schema=False)

SHORT: Final = {"ql": "quicklook", "hk": "housekeeping", "sci": "science", "cal": "calibration", "aux": "auxiliary"}
"""Short names of families in file names."""
ROWS: Final = 100
Text = Annotated[str, Query(max_length=200)]
Short = Annotated[str, Query(max_length=40)]


@router.get("/telemetry/")
def arrived(request: Request, month: Short = "", level: Short = "", family: Short = "") -> Response:
    """Families and days of a month; of one family, its levels and days."""
    from broker_assets.monitoring.telemetry.day_states import first_day, month_of

    family = SHORT.get(family, family)
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        states = request.app.state.telemetry_states(connection)
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        first_day(month or "2000-01")
        table = month_of(states, month or states.newest_month(today), level=level or None, family=family or None)
    except ValueError as error:
        raise HTTPException(400, f"{error}.") from None

    def address(**changed: str) -> str:
        values = {"month": table.name, "level": level, "family": family} | changed
        return "/telemetry/?" + urlencode({name: value for name, value in values.items() if value})

    return page(
        request, "telemetry_days.html", states=states, month=table, level=level, family=family, address=address,
        telemetry=overview_of(request), today=today, asked={}, troubles={},
    )  # fmt: skip


@router.get("/telemetry/products/")
def search(
    request: Request, name: Text = "", first: Short = "", last: Short = "", kind: Short = "", level: Short = "",
    family: Short = "", version: Short = "", every: Short = "", cursor: Annotated[str, Query(max_length=2048)] = "",
) -> Response:  # fmt: skip
    """Product files by time, kind, level, version and name, as `/api/v1/products` finds them."""
    from broker_assets.database.paging import page as page_of
    from broker_assets.telemetry.product_search import KEYS, Search, kinds, search_query

    family = SHORT.get(family, family)
    asked = {
        "name": name.strip(), "first": first, "last": last, "kind": kind, "level": level, "family": family,
        "version": version, "every": "1" if every else "",
    }  # fmt: skip
    troubles: dict[str, str] = {}
    asked = {field: value.replace("\0", "") for field, value in asked.items()}
    days = {field: _day(asked[field], field, troubles) for field in ("first", "last")}
    number = _version(asked["version"], troubles)
    reader: Connections = request.app.state.connections
    found: Any = None
    with reader.use() as connection:
        known = kinds(connection)
        if not troubles:
            wanted = asked["name"]
            pattern = wanted if "*" in wanted or not wanted else f"*{wanted}*"
            wide = Search(asked["level"] or None, asked["family"] or None, asked["kind"] or None, number)
            narrow = replace(
                wide, first=days["first"], last=days["last"], name=pattern or None, current=not asked["every"]
            )
            query, values = search_query(narrow)
            try:
                found = page_of(connection, query, values, keys=KEYS, limit=ROWS, place=cursor or None)
            except ValueError as error:
                raise HTTPException(400, f"The address of this page of the list cannot be used: {error}") from None
        states = request.app.state.telemetry_states(connection)
    asked = {field: value for field, value in asked.items() if value}
    following = found.following if found is not None else None
    api = {field: value for field, value in asked.items() if field != "every"}
    api |= {"current": "false"} if every else {}
    if "name" in api:
        api["name"] = pattern
    return page(
        request, "telemetry_search.html", code=400 if troubles else 200, asked=asked, troubles=troubles, found=found,
        known=known, states=states, telemetry=overview_of(request),
        following=urlencode(asked | {"cursor": following}) if following else "", api=urlencode(api),
    )  # fmt: skip


def _day(text: str, field: str, troubles: dict[str, str]) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text else None
    except ValueError:
        troubles[field] = f"{text[:20]!r} is not a day such as 2026-11-27"
        return None


def _version(text: str, troubles: dict[str, str]) -> int | None:
    if re.fullmatch(r"[Vv]?[0-9]{1,5}", text):
        return int(text.lstrip("vV"))
    if text:
        troubles["version"] = f"{text[:20]!r} is not a version such as 2"
    return None


@router.get("/telemetry/publication/")
def published(request: Request) -> Response:
    """Held files with the comparison that held them, receipts, and runs of the publisher."""
    from broker_assets.publication import questions
    from broker_assets.publication.side_by_side import compared_with, fact_rows

    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        waiting = questions.held(connection)
        held = [
            (entry, said_to(request, entry.reason), other, fact_rows(entry.facts, other.facts) if other else [])
            for entry in waiting[:ROWS]
            for other in (compared_with(connection, entry),)
        ]
        receipts = questions.receipts(connection, newest=ROWS)
        runs = questions.runs(connection, limit=20)
    return page(
        request, "telemetry_publication.html", held=held, count=len(waiting), receipts=receipts, runs=runs,
        telemetry=overview_of(request), said=lambda text: said_to(request, text),
    )  # fmt: skip

"""Nights: the calendar with what was stored, quarantined and lost, and the page of one night."""

from __future__ import annotations

import calendar
import datetime
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import database
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.site import owned
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.night_bars import night_chart
from broker_assets.filters import history
from broker_assets.filters.registry import list_filters
from broker_assets.filters.yields import Yield, usual, yields_of
from broker_assets.monitoring import nights
from broker_assets.monitoring.nights import NightAccount
from broker_assets.provenance import versions

router = APIRouter(prefix="/nights", include_in_schema=False)
Database = Annotated[psycopg.Connection[Any], Depends(database)]

FRESH: Final = 20.0
"""Seconds for which the list of stale artefacts is reused, since it examines all artefacts."""
_LOCK = threading.Lock()


@router.get("/")
def every(request: Request, connection: Database, month: str = "") -> Response:
    """A month of nights; without one, that of the newest night with alerts."""
    now = datetime.datetime.now(datetime.UTC)
    known = nights.span(connection)
    if known is None:
        return page(request, "nights.html", known=None)
    first = _month(month) if month else known[1].replace(day=1)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    found = nights.accounts(connection, first, last, now=now, stale=nights.stale_of(_stale(request, connection)))
    end = max(known[1], nights.night_at(now)).replace(day=1)
    before, after = (first - datetime.timedelta(days=1)).replace(day=1), last + datetime.timedelta(days=1)
    bars = [(f"{one.night:%m-%d}", one.alerts, one.state in ("complete", "stale", "not observed")) for one in found]
    return page(
        request, "nights.html", known=known, first=first, weeks=_weeks(first, found), nights=found,
        chart=night_chart(bars[::-1]), most=max((one.alerts for one in found), default=0) or 1,
        before=f"{before:%Y-%m}" if before >= known[0].replace(day=1) else "",
        after=f"{after:%Y-%m}" if after <= end else "",
        states=[(state, glyph, nights.MEANINGS[state]) for state, glyph in nights.GLYPHS.items()],
    )  # fmt: skip


@router.get("/{night}/")
def one(request: Request, connection: Database, night: str) -> Response:
    """A night."""
    try:
        date = datetime.date.fromisoformat(night)
    except ValueError:
        raise HTTPException(404, "A night is named by the date of its evening, such as 2026-11-27.") from None
    if date.isoformat() != night:
        raise HTTPException(404, f"The address of this night is /nights/{date}/.")
    stale = _stale(request, connection)
    now = datetime.datetime.now(datetime.UTC)
    found = nights.accounts(connection, date, date, now=now, stale=nights.stale_of(stale))
    if not found:
        raise HTTPException(
            404, f"There is nothing of {date}: it is before the first night with alerts, or in the future."
        )
    disclosure: Disclosure = request.app.state.disclosure
    operates = disclosure.is_entitled(request)
    return page(
        request, "night.html", one=found[0], topics=nights.topics(connection, date),
        archive=nights.archive(connection, date), artefacts=nights.artefacts(connection, date, stale),
        filters=_filters(request, date, yields_of(connection, night), usual(connection, night)), operates=operates,
        dagster=f"{request.app.state.dagster_pages}/assets/sources?view=partitions&partition={night}",
        before=date - datetime.timedelta(days=1), after=date + datetime.timedelta(days=1),
        nights_in_range=_around(connection, date, now),
    )  # fmt: skip


def _around(connection: psycopg.Connection[Any], date: datetime.date, now: datetime.datetime) -> tuple[bool, bool]:
    """Whether there is a night before, and one after."""
    known = nights.span(connection)
    return (known is not None and date > known[0], date < nights.night_at(now))


def _filters(
    request: Request, date: datetime.date, found: Sequence[Yield], before: dict[int, list[int]]
) -> list[dict[str, Any]]:
    """The yields of filters that the viewer may see and that run or passed something, ordered by matches."""
    user = viewer_of(request).user
    by_number = {item.filterid: item for item in found}
    end = datetime.datetime.combine(date + datetime.timedelta(days=1), datetime.time(int(nights.NOON)), datetime.UTC)
    with accounts_of(request) as connection:
        entries = [(entry.filterid, entry) for entry in list_filters(connection)]
        shown = owned.readable(connection, user, "filter", entries)
        begun = history.begun(connection)
    rows = [
        {
            "entry": entry, "yield": by_number.get(entry.filterid),
            "usual": statistics.median(before[entry.filterid]) if before.get(entry.filterid) else None,
            "later": entry.filterid in begun and begun[entry.filterid] >= end,
        }
        for entry in shown
        if entry.active or entry.filterid in by_number
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["yield"].matches if row["yield"] else 0, row["entry"].filterid))


def _stale(request: Request, connection: psycopg.Connection[Any]) -> list[versions.Stale]:
    """Stale artefacts, at most `FRESH` seconds old."""
    state = request.app.state
    with _LOCK:
        known: tuple[float, list[versions.Stale]] | None = getattr(state, "night_stale", None)
        if known is None or time.monotonic() - known[0] > FRESH:
            known = state.night_stale = (time.monotonic(), versions.stale(connection))
    return known[1]


def _month(text: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        raise HTTPException(404, "A month is written like 2026-11.") from None


def _weeks(first: datetime.date, found: Sequence[NightAccount]) -> list[list[tuple[int, NightAccount | None]]]:
    """Days of a month by week from Monday, 0 outside, each with its night."""
    by_day = {item.night.day: item for item in found}
    weeks = calendar.Calendar().monthdayscalendar(first.year, first.month)
    return [[(day, by_day.get(day)) for day in week] for week in weeks]

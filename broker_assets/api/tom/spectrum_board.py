"""The board of spectra: what is wanted by whom, who has claimed it, and how well it is seen tonight."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

import numpy as np
from fastapi import Request
from fastapi.responses import Response

from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.tom.entrance import admitted
from broker_assets.tom.spectra.claims import Claim, claims_of
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Visibility, visibility
from broker_assets.tom.spectra.wanted import Choice, Wanted, wanted_spectra
from broker_assets.tom_settings import TomSettings

MOST: Final = 200
"""Objects of the page."""


@dataclass(frozen=True)
class Row:
    """An object of the board."""

    wanted: Wanted
    claims: list[Claim]
    airmass: str
    hours: str
    moon: str


def board(request: Request, observatory: str = "", night: str = "") -> Response:
    """Wanted spectra by priority; with an observatory also how well it sees them."""
    admitted(request, "login")
    settings: TomSettings = request.app.state.tom
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = wanted_spectra(connection, Choice(None, None, None, None), zero_point=settings.magnitude_zero_point)
        shown = found[:MOST]
        claims = claims_of(connection, [one.number for one in shown])
    place = next((one for one in OBSERVATORIES if one.name == observatory), None)
    seen = None
    when, problem = _moment(night)
    if place is not None:
        ra, dec = (np.array([getattr(one, name) for one in shown]) for name in ("ra", "dec"))
        seen = visibility(place, ra, dec, when)
    rows = [Row(one, claims.get(one.number, []), *_texts(seen, number)) for number, one in enumerate(shown)]
    return page(
        request, "tom/spectra.html", rows=rows, more=len(found) - len(shown), seen=seen, problem=problem,
        observatory=place.name if place else "", observatories=[one.name for one in OBSERVATORIES], night=night,
    )  # fmt: skip


def _moment(night: str) -> tuple[datetime.datetime, str]:
    """Midnight UTC after the evening of a date, or now; and what is wrong with the date."""
    now = datetime.datetime.now(datetime.UTC)
    if not night:
        return now, ""
    try:
        day = datetime.date.fromisoformat(night)
    except ValueError:
        return now, f"{night[:20]!r} is not a date: write it as 2026-06-21"
    if not 1900 <= day.year <= 2100:
        return now, f"{night} is beyond the years 1900 to 2100"
    return datetime.datetime.combine(day, datetime.time(23, 59), datetime.UTC), ""


def _texts(seen: Visibility | None, number: int) -> tuple[str, str, str]:
    if seen is None:
        return "", "", ""
    if np.isnan(seen.airmass[number]):
        return "not up", "0", f"{seen.separation[number]:.0f}"
    return f"{seen.airmass[number]:.2f}", f"{seen.hours[number]:.1f}", f"{seen.separation[number]:.0f}"

"""The board of spectra: what is wanted by whom, who has claimed it, and how well it can be observed tonight."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import numpy as np
from fastapi import HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.tom.entrance import admitted
from broker_assets.api.tom.spectrum_nights import BadNight, middle_of, planned
from broker_assets.database.border_sql import ask
from broker_assets.database.tables import diasources
from broker_assets.numerals import real
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.spectra.claims import Claim, claims_of
from broker_assets.tom.spectra.schedule import MINUTES
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Visibility, visibility
from broker_assets.tom.spectra.wanted import CLAIM_DAYS, Choice, Wanted, wanted_spectra

MOST: Final = 200
"""Most objects on the page."""
CHARTS: Final = (30.0, 150.0)
"""Radii of finding charts, arcsec."""
NAMED: Final = 6
"""Catalogue sources that are labelled in a chart."""


@dataclass(frozen=True)
class Row:
    """An object of the board."""

    wanted: Wanted
    claims: list[Claim]
    airmass: str
    hours: str
    moon: str


def board(request: Request, observatory: str = "", night: str = "", minutes: str = "", object: str = "") -> Response:  # noqa: A002
    """Wanted spectra by priority; with an observatory, also their visibility from it, and a plan of its night."""
    admitted(request, "login")
    settings: TomSettings = request.app.state.tom
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = wanted_spectra(connection, Choice(None, None, None, None), zero_point=settings.magnitude_zero_point)
        shown = found[:MOST]
        claims = claims_of(connection, [one.number for one in found])
    place = next((one for one in OBSERVATORIES if one.name == observatory), None)
    seen = plan = None
    problem = ""
    length = _minutes(minutes)
    if place is not None:
        try:
            when = middle_of(place, night)
        except BadNight as error:
            problem, when = str(error), datetime.datetime.now(datetime.UTC)
        ra, dec = (np.array([getattr(one, name) for one in shown], np.float64) for name in ("ra", "dec"))
        seen = visibility(place, ra, dec, when)
        # As in the plan that programs get: an old claim that nothing came of does not keep others away.
        old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=CLAIM_DAYS)
        free = [one for one in found if all(claim.made <= old for claim in claims.get(one.number, []))]
        plan = planned(place, free, when, length)
    rows = [Row(one, claims.get(one.number, []), *_texts(seen, number)) for number, one in enumerate(shown)]
    return page(
        request, "tom/spectra.html", rows=rows, more=len(found) - len(shown), seen=seen, problem=problem,
        observatory=place.name if place else "", observatories=[one.name for one in OBSERVATORIES], night=night,
        plan=plan, minutes=length, chosen=object if object.isascii() and object.isdigit() else "",
        night_query=urlencode({"observatory": observatory, "date": night, "minutes": f"{length:g}", "format": "csv"}),
    )  # fmt: skip


def chart(request: Request, number: int) -> Response:
    """A finding chart of a wanted object, with the stamps of its newest detection."""
    from broker_assets.context.chart_sources import sources_around
    from broker_assets.sky.angles import sexagesimal
    from broker_assets.sky.finder_svg import finder_svg
    from broker_assets.sky.marked_field import MarkedField, Point
    from broker_assets.sky.marked_things import cone_field

    admitted(request, "login")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        row = connection.execute(
            "SELECT ra, decl FROM elasticc2_diaobject WHERE diaobject_id = %(number)s UNION ALL"
            " SELECT ra, decl FROM objects WHERE diaobjectid = %(number)s AND ra IS NOT NULL LIMIT 1",
            {"number": number},
        ).fetchone()
        if row is None:
            raise HTTPException(404, f"There is no object {number}.")
        ra, dec = float(row[0]) % 360.0, float(row[1])
        charts = [(radius, cone_field(connection, ra, dec, radius)) for radius in CHARTS]
        source = ask(
            connection,
            "SELECT diasourceid FROM diasources WHERE diaobjectid = %s AND archivefileid IS NOT NULL"
            " ORDER BY midpointmjdtai DESC LIMIT 1",
            {diasources: [[("diaobjectid", "=", number)]]},
            (number,),
        ).fetchone()
    stars = sources_around(request.app.state.settings.catalogue_folder, ra, dec, 2 * CHARTS[-1])
    # Only the nearest are labelled: more labels would overlap.
    marks = [
        Point(one.ra, one.dec, one.identifier if place < NAMED else "", "context") for place, one in enumerate(stars)
    ]
    drawings = [
        finder_svg(
            MarkedField(ra, dec, field.width, (*field.points, *marks)),
            summary=f"{3600 * field.width:.0f}″ around object {number} with {len(stars)} sources of catalogues",
            size=420,
        )
        for _, field in charts
    ]
    return page(
        request, "tom/chart.html", number=number, stars=stars, degrees=f"{ra:.6f} {dec:+.6f}", drawings=drawings,
        sexagesimal=" ".join(sexagesimal(ra, dec)), source=source[0] if source is not None else None,
    )  # fmt: skip


def _minutes(text: str) -> float:
    """Time for a spectrum, minutes; the default if the text is not a valid time."""
    try:
        found = real(text)
    except ValueError:
        return MINUTES
    return found if 5 <= found <= 600 else MINUTES


def _texts(seen: Visibility | None, number: int) -> tuple[str, str, str]:
    if seen is None:
        return "", "", ""
    if np.isnan(seen.airmass[number]):
        return "not up", "0", f"{seen.separation[number]:.0f}"
    return f"{seen.airmass[number]:.2f}", f"{seen.hours[number]:.1f}", f"{seen.separation[number]:.0f}"

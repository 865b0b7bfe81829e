"""Wanted spectra planned for a night at an observatory, for pages and programs."""

from __future__ import annotations

import csv
import datetime
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import Request

from broker_assets.api.connections import Connections
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.calendars.nights import observatory_named
from broker_assets.tom.spectra.schedule import Schedule, schedule_night
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Observatory
from broker_assets.tom.spectra.wanted import CLAIM_DAYS, Choice, Wanted, wanted_spectra


class BadNight(ValueError):
    """A night cannot be planned; the message says why."""


@dataclass(frozen=True)
class PlannedNight:
    """A night and its objects."""

    observatory: Observatory
    wanted: list[Wanted]
    schedule: Schedule


def night_of(request: Request, observatory: str, date: str, minutes: float) -> PlannedNight:
    """Plan the wanted spectra that no facility has recently claimed.

    Raises
    ------
    BadNight
        If there is no such observatory or date.
    """
    place = observatory_named(observatory)
    if place is None:
        raise BadNight(
            f"there is no observatory {observatory[:60]!r}; there are {', '.join(one.name for one in OBSERVATORIES)}"
        )
    settings: TomSettings = request.app.state.tom
    connections: Connections = request.app.state.connections
    claimed = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=CLAIM_DAYS)
    with connections.use() as connection:
        found = wanted_spectra(connection, Choice(None, claimed, None, None), zero_point=settings.magnitude_zero_point)
    return planned(place, found, middle_of(place, date), minutes)


def planned(place: Observatory, found: list[Wanted], when: datetime.datetime, minutes: float) -> PlannedNight:
    """Plan a night of some wanted spectra."""
    ra, dec = (np.array([getattr(one, name) for one in found], np.float64) for name in ("ra", "dec"))
    priority = [one.priority for one in found]
    return PlannedNight(place, found, schedule_night(place, when, ra, dec, priority, minutes=minutes))


def middle_of(place: Observatory, date: str) -> datetime.datetime:
    """Local midnight after the evening of a date, or now if there is none.

    Raises
    ------
    BadNight
        If it is not a date.
    """
    if not date:
        return datetime.datetime.now(datetime.UTC)
    try:
        day = datetime.date.fromisoformat(date)
    except ValueError:
        raise BadNight(f"{date[:20]!r} is not a date: write it as 2026-06-21") from None
    if not 1900 <= day.year <= 2100:
        raise BadNight(f"{date} is beyond the years 1900 to 2100")
    return place.midnight(day)


def as_document(night: PlannedNight) -> dict[str, Any]:
    """A night as a JSON document; identifiers of objects are texts, since they may exceed 2^53."""
    schedule, wanted = night.schedule, night.wanted
    return {
        "observatory": night.observatory.name,
        "begin": schedule.begin,
        "end": schedule.end,
        "moon": schedule.moon,
        "slots": [
            {
                "object": str(wanted[slot.place].number),
                "ra": wanted[slot.place].ra,
                "dec": wanted[slot.place].dec,
                "begin": slot.begin,
                "end": slot.end,
                "airmass": slot.airmass,
                "moonSeparation": slot.separation,
                "priority": wanted[slot.place].priority,
                "requester": wanted[slot.place].requester,
                "magnitudes": {band: newest.magnitude for band, newest in wanted[slot.place].latest.items()},
            }
            for slot in schedule.slots
        ],
        "left": [{"object": str(wanted[place].number), "why": why} for place, why in schedule.left.items()],
    }


def as_csv(night: PlannedNight) -> str:
    """The slots of a night as CSV: a list of targets for a telescope."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ("begin_utc", "end_utc", "object", "ra_deg", "dec_deg", "airmass", "moon_deg", "priority", "requester", "mags")
    )
    for slot in night.schedule.slots:
        one = night.wanted[slot.place]
        magnitudes = " ".join(f"{band}={newest.magnitude:.2f}" for band, newest in one.latest.items())
        writer.writerow(
            (
                slot.begin.strftime("%Y-%m-%dT%H:%M"), slot.end.strftime("%Y-%m-%dT%H:%M"), one.number,
                f"{one.ra:.6f}", f"{one.dec:+.6f}", f"{slot.airmass:.2f}", f"{slot.separation:.0f}", one.priority,
                one.requester, magnitudes,
            )
        )  # fmt: skip
    return out.getvalue()

"""A night of spectra at an observatory: which object is observed when.

Objects are scheduled by priority and, among equal ones, those with the least available time first; each gets the free
time at which it is highest. An object of high priority therefore never loses its time to one of lower priority.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.tom.spectra.visibility import STEP, Observatory, airmasses, sky_of_night, visibility

Floats = NDArray[np.float64]

MINUTES: Final = 30.0
"""Default time for a spectrum with its acquisition, minutes."""


@dataclass(frozen=True)
class Slot:
    """When an object is observed."""

    place: int
    """Index of the object among those given."""
    begin: datetime.datetime
    end: datetime.datetime
    airmass: float
    """Largest airmass within the slot."""
    separation: float
    """Distance from the Moon in the middle of the night, degrees."""


@dataclass(frozen=True)
class Schedule:
    """A night."""

    begin: datetime.datetime | None
    """End of evening twilight, UTC; None if the night is never dark."""
    end: datetime.datetime | None
    moon: float
    """Illuminated fraction of the Moon, 0 to 1."""
    slots: list[Slot]
    """Slots by time; they do not overlap."""
    left: dict[int, str]
    """Indices of objects that are not observed, and why."""


def schedule_night(
    observatory: Observatory,
    when: datetime.datetime,
    ra: Floats,
    dec: Floats,
    priority: Sequence[int],
    *,
    minutes: float = MINUTES,
    worst_airmass: float = 2.0,
    from_moon: float = 30.0,
) -> Schedule:
    """Plan the spectra of a night.

    Parameters
    ----------
    observatory : Observatory
        The observatory.
    when : datetime.datetime
        A time in the night, with a time zone; see `visibility.visibility`.
    ra, dec : (n,) float64 array
        Positions, degrees, ICRS.
    priority : (n,) sequence of int
        Priorities; the highest number comes first.
    minutes : float
        Time for a spectrum, minutes; slots are multiples of 10 minutes.
    worst_airmass : float
        Largest airmass within a slot.
    from_moon : float
        Least distance from the Moon, degrees, while it is more than a quarter lit.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> from broker_assets.tom.spectra.visibility import OBSERVATORIES
    >>> when = datetime.datetime(2026, 6, 21, 4, tzinfo=datetime.UTC)
    >>> found = schedule_night(OBSERVATORIES[0], when, np.array([270.0, 270.0]), np.array([-30.0, 80.0]), [1, 5])
    >>> [(slot.place, round(slot.airmass, 2)) for slot in found.slots], found.left
    ([(0, 1.0)], {1: 'it is not up'})
    """
    sky = sky_of_night(observatory, when)
    seen = visibility(observatory, ra, dec, when)
    mass = airmasses(observatory, sky, ra, dec)
    good = sky.dark[:, None] & (np.where(np.isnan(mass), np.inf, mass) <= worst_airmass)
    need = max(1, int(np.ceil(minutes / (STEP / datetime.timedelta(minutes=1)))))
    free = np.ones(len(sky.times), bool)
    slots: list[Slot] = []
    left: dict[int, str] = {}
    hours = good.sum(axis=0)
    near = (seen.separation < from_moon) & (sky.illuminated > 0.25)
    for place in sorted(range(len(ra)), key=lambda one: (-priority[one], hours[one], one)):
        if not hours[place]:
            left[place] = "the night is never dark" if seen.begin is None else _why(mass[:, place], sky.dark)
        elif near[place]:
            left[place] = f"it is {seen.separation[place]:.0f}° from the Moon"
        elif (begin := _best(good[:, place], free, mass[:, place], need)) is None:
            alone = _best(good[:, place], np.ones_like(free), mass[:, place], need)
            left[place] = f"it is high enough for less than {minutes:g} minutes" if alone is None else "no time is left"
        else:
            free[begin : begin + need] = False
            worst = float(mass[begin : begin + need, place].max())
            times = (sky.times[begin], sky.times[begin] + need * STEP)
            slots.append(Slot(place, *times, worst, float(seen.separation[place])))
    return Schedule(seen.begin, seen.end, sky.illuminated, sorted(slots, key=lambda one: one.begin), left)


def _why(mass: Floats, dark: NDArray[np.bool_]) -> str:
    up = mass[dark]
    if np.isnan(up).all():
        return "it is not up"
    return f"its least airmass is {np.nanmin(up):.1f}"


def _best(good: NDArray[np.bool_], free: NDArray[np.bool_], mass: Floats, need: int) -> int | None:
    """Step at which the free slot with the smallest maximum airmass begins; None if there is none."""
    usable = np.where(good & free, mass, np.inf)
    if usable.size < need:
        return None
    worst = np.lib.stride_tricks.sliding_window_view(usable, need).max(axis=1)
    begin = int(worst.argmin())
    return begin if np.isfinite(worst[begin]) else None

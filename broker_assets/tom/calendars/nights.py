"""Nights of observatories: from the end of evening twilight to the beginning of morning twilight."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from broker_assets.tom.spectra.visibility import OBSERVATORIES, Observatory, visibility


@dataclass(frozen=True)
class Night:
    """A night with at least some dark time."""

    observatory: str
    evening: datetime.date
    """Local date of its evening."""
    begins: datetime.datetime
    """UTC."""
    ends: datetime.datetime
    moon: float
    """Illuminated fraction of the Moon, 0 to 1."""


def observatory_named(name: str) -> Observatory | None:
    """The observatory with a name; None if there is none."""
    return next((one for one in OBSERVATORIES if one.name == name), None)


def nights_of(observatory: Observatory, first: datetime.date, days: int) -> list[Night]:
    """Dark hours of consecutive nights; nights that never get dark are left out.

    Parameters
    ----------
    observatory : Observatory
        The observatory.
    first : datetime.date
        Local date of the first evening.
    days : int
        Number of nights.

    Examples
    --------
    >>> [night] = nights_of(OBSERVATORIES[5], datetime.date(2026, 12, 1), 1)
    >>> night.observatory, night.begins.strftime("%m-%d %H"), night.ends.strftime("%m-%d %H")
    ('Paranal', '12-02 00', '12-02 08')
    """
    nothing = np.zeros(0)
    found = []
    for number in range(days):
        evening = first + datetime.timedelta(days=number)
        seen = visibility(observatory, nothing, nothing, observatory.midnight(evening))
        if seen.begin is not None and seen.end is not None and seen.begin < seen.end:
            found.append(Night(observatory.name, evening, seen.begin, seen.end, seen.moon))
    return found

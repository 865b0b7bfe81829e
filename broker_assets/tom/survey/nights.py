"""Nights of the simulation: as dates of their evenings, as integer MJD, and as intervals of time.

A night ends at 12 UT, when it is morning in Chile. The night of a date begins at 12 UT of that date.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Final

from broker_assets.tom.survey.selection import Window

MJD_EPOCH: Final = datetime.date(1858, 11, 17)
"""The date of MJD 0."""
_NAME: Final = re.compile(r"(?:NITE)?(\d{5})|(\d{4})-(\d\d)-(\d\d)|(\d{4})(\d\d)(\d\d)", re.IGNORECASE)


def night_of(mjd: float) -> datetime.date:
    """Evening of the night to which a time (MJD) belongs.

    Examples
    --------
    >>> night_of(60282.3).isoformat(), night_of(60282.6).isoformat()
    ('2023-12-03', '2023-12-04')
    """
    return MJD_EPOCH + datetime.timedelta(days=math.ceil(mjd - 0.5) - 1)


def night_window(evening: datetime.date) -> Window:
    """The times of a night, MJD: after the noon of its evening, through the next.

    Examples
    --------
    >>> night_window(datetime.date(2023, 12, 3))
    Window(start=60281.50000000001, through=60282.5)
    """
    day = (evening - MJD_EPOCH).days
    return Window(math.nextafter(day + 0.5, math.inf), day + 1.5)


def named_night(name: str) -> int | None:
    """Integer MJD in the name of the folder or archive of a night; None if it is not such a name.

    Examples
    --------
    >>> named_night("NITE60282"), named_night("60282"), named_night("2023-12-04"), named_night("20231204")
    (60282, 60282, 60282, 60282)
    >>> named_night("ALERTS") is None, named_night("2023-13-04") is None
    (True, True)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    if found[1]:
        return int(found[1])
    year, month, day = (int(part) for part in (found.groups()[1:4] if found[2] else found.groups()[4:7]))
    try:
        return (datetime.date(year, month, day) - MJD_EPOCH).days
    except ValueError:
        return None

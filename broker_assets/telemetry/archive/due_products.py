"""Products that become possible as time passes: ancillary ones with flown kernels, plots of complete days.

Automation conditions detect changes of their inputs. The age of a day, or a run that never happened, is not an input,
so this module searches for missing products.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import psycopg

PICTURES: Final = "l2_quicklook"
ANCILLARY: Final = "l2_auxiliary"

WHOLE_DAY_SECONDS: Final = 86_160.0
"""Least length, seconds, of a light curve that may cover a whole day; one with gaps is tried once, without success."""
AGE: Final = datetime.timedelta(days=30)
"""Older days no longer grow, whether complete or not."""
FLOWN_MARGIN: Final = datetime.timedelta(days=1)
"""Flown kernels are trusted up to this long before their date."""


@dataclass(frozen=True)
class Makeable:
    """A day for which a product could be made but does not exist."""

    asset: str
    day: datetime.date
    parent: str
    """Name of the file it would be made from."""
    state: str
    """Digest of that file, and why the product is due; in the same state, a product is requested only once."""


def makeable(
    connection: psycopg.Connection[Any], now: datetime.datetime, flown_until: datetime.date | None
) -> list[Makeable]:
    """Days whose daily products could be made but do not exist, ascending.

    Parameters
    ----------
    connection : psycopg.Connection
    now : datetime
        With a time zone.
    flown_until : date, optional
        Date of the flown kernels; without it, no ancillary product is requested.
    """
    found = []
    for day, name, digest, seconds in _without(connection, parent="ql-lightcurve", level="LL03"):
        whole = seconds >= WHOLE_DAY_SECONDS
        if whole or now.date() - day > AGE:
            found.append(Makeable(PICTURES, day, name, f"{digest[:16]}-{'whole' if whole else 'old'}"))
    if flown_until is not None:
        found += [
            Makeable(ANCILLARY, day, name, f"{digest[:16]}-flown")
            for day, name, digest, _ in _without(connection, parent="hk-maxi", level="ANC")
            if day + datetime.timedelta(days=1) <= flown_until - FLOWN_MARGIN
        ]
    return sorted(found, key=lambda item: (item.day, item.asset))


def _without(
    connection: psycopg.Connection[Any], *, parent: str, level: str
) -> list[tuple[datetime.date, str, str, float]]:
    """L1 files of a kind for whose day no file of a level exists: day, name, digest, length of its data in seconds."""
    rows = connection.execute(
        "SELECT day, name, digest, starts, ends FROM product_file AS parent WHERE superseded_at IS NULL"
        " AND level = 'L1' AND kind = %s AND rows > 0 AND version = (SELECT max(version) FROM product_file AS other"
        "  WHERE other.superseded_at IS NULL AND other.level = 'L1' AND other.kind = parent.kind"
        "  AND other.day = parent.day)"
        " AND NOT EXISTS (SELECT 1 FROM product_file AS child WHERE child.superseded_at IS NULL"
        "  AND child.level = %s AND child.day = parent.day)"
        " ORDER BY day, name",
        (parent, level),
    )
    return [(day, name, digest, seconds_between(starts, ends)) for day, name, digest, starts, ends in rows]


def seconds_between(starts: str, ends: str) -> float:
    """Length of a time range in the register of products; 0 if a time is missing.

    Examples
    --------
    >>> seconds_between("2021-01-16T00:00:01.500000", "2021-01-16T23:59:59.500000")
    86398.0
    >>> seconds_between("", "")
    0.0
    """
    try:
        return (datetime.datetime.fromisoformat(ends) - datetime.datetime.fromisoformat(starts)).total_seconds()
    except ValueError:
        return 0.0

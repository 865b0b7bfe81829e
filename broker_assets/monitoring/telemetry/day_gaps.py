"""Gaps between days, and the formatting of days."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence


def missing_days(
    days: Sequence[datetime.date], *, longest: int = 0, since: datetime.date | None = None
) -> list[datetime.date]:
    """Missing days between others.

    Parameters
    ----------
    days : sequence of date
        Existing days, ascending.
    longest : int
        Gaps of at most this many days do not count.
    since : date, optional
        Earlier gaps are not listed.

    Examples
    --------
    >>> from datetime import date
    >>> missing_days([date(2024, 5, 1), date(2024, 5, 3), date(2024, 5, 4)])
    [datetime.date(2024, 5, 2)]
    >>> missing_days([date(2024, 5, 1), date(2024, 5, 3)], longest=1)
    []
    """
    found = []
    for before, after in itertools.pairwise(days):
        gap = [before + datetime.timedelta(days=step) for step in range(1, (after - before).days)]
        if len(gap) > longest:
            found += gap
    return [day for day in found if since is None or day >= since]


def spans(days: Iterable[datetime.date]) -> str:
    """Format days: single ones, and ranges of consecutive ones.

    Examples
    --------
    >>> from datetime import date
    >>> spans([date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 9)])
    '2024-05-01 to 2024-05-02, 2024-05-09'
    """
    rows: list[list[datetime.date]] = []
    for day in sorted(days):
        if rows and (day - rows[-1][1]).days == 1:
            rows[-1][1] = day
        else:
            rows.append([day, day])
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in rows)

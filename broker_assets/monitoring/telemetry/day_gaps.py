"""Gaps between days, and days in words."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence


def missing_days(
    days: Sequence[datetime.date], *, longest: int = 0, since: datetime.date | None = None
) -> list[datetime.date]:
    """Days between others that are not there.

    Parameters
    ----------
    days : sequence of date
        Days that are there, ascending.
    longest : int
        Gaps of at most so many days are no gaps.
    since : date, optional
        Earlier ones are not told.

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
    """Days in words: single ones, and first to last of those in a row.

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

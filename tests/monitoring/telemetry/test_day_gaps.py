"""Gaps between days against brute force, and days in words."""

from __future__ import annotations

import datetime
import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.monitoring.telemetry.day_gaps import missing_days, spans

FIRST = datetime.date(2024, 2, 20)
DAYS = st.sets(st.integers(0, 40), max_size=15).map(
    lambda numbers: [FIRST + datetime.timedelta(days=number) for number in sorted(numbers)]
)


@given(DAYS, st.integers(0, 4), st.none() | st.integers(0, 40))
def test_missing_days_are_those_between_others(days: list[datetime.date], longest: int, since: int | None) -> None:
    limit = None if since is None else FIRST + datetime.timedelta(days=since)
    every = [] if not days else [days[0] + datetime.timedelta(days=n) for n in range((days[-1] - days[0]).days)]
    absent = [(day in days, day) for day in every]
    wanted = []
    for there, group in itertools.groupby(absent, key=lambda item: item[0]):
        gap = [day for _, day in group]
        if not there and len(gap) > longest:
            wanted += [day for day in gap if limit is None or day >= limit]
    assert missing_days(days, longest=longest, since=limit) == wanted


@given(DAYS)
def test_words_name_every_day_once(days: list[datetime.date]) -> None:
    named = []
    for part in filter(None, spans(reversed(days)).split(", ")):
        first, last = (re.findall(r"\d{4}-\d\d-\d\d", part) * 2)[:2] if " to " not in part else part.split(" to ")
        day, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
        while day <= end:
            named.append(day)
            day += datetime.timedelta(days=1)
    assert named == days


def test_days_in_a_row_are_joined_over_the_end_of_a_month() -> None:
    days = [
        datetime.date(2024, 2, 28),
        datetime.date(2024, 2, 29),
        datetime.date(2024, 3, 1),
        datetime.date(2024, 3, 9),
    ]
    assert spans(days) == "2024-02-28 to 2024-03-01, 2024-03-09"

"""Observation days by state: which files of a family and level are complete, stale, waiting, failed or held.

Levels of products, and `TM` for telemetry files by the day on which they arrived. A file has one state, the worst:

- failed: a telemetry file that failed or was given up; a product whose delivery ended with an error;
- held: a product that waits for an operator before it is delivered;
- stale: a product whose inputs or code have changed;
- waiting: still to come: a telemetry file that is not processed, a product of which the level below exists, or packets
of a family that arrives every day;
- complete: everything else.
"""

from __future__ import annotations

import calendar
import datetime
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import psycopg

from broker_assets.monitoring.telemetry.day_gaps import missing_days
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import GAPS
from broker_assets.monitoring.telemetry.overview import LEVELS
from broker_assets.settings import Settings

State = Literal["failed", "held", "stale", "waiting", "complete"]
STATES: Final[tuple[State, ...]] = ("failed", "held", "stale", "waiting", "complete")
"""The worst first."""
ARRIVED: Final = "TM"
"""Level of telemetry files as they arrived."""
FILES: Final = "telemetry files"
"""Their family."""
ALL_LEVELS: Final = (ARRIVED, *LEVELS)
_PARTS: Final = 20
"""Steps of the bars of proportions."""

Counts = Mapping[State, int]
Key = tuple[str, str, datetime.date]
"""Level, family, day."""


@dataclass(frozen=True)
class DayStates:
    """All days with a state, from which whole months are taken."""

    counts: Mapping[Key, Counts]
    stale: Mapping[str, str] = field(default_factory=dict)
    """Why files are stale, by path in the archive."""

    def newest_month(self, today: datetime.date) -> str:
        """The newest month with something that is not in the future; the present one if there is none."""
        present = f"{today:%Y-%m}"
        return max((month for month in self.months if month <= present), default=present)

    @property
    def months(self) -> list[str]:
        """Months with something, ascending: YYYY-MM."""
        return sorted({f"{day:%Y-%m}" for _, _, day in self.counts})

    @property
    def families(self) -> list[str]:
        """Families with something."""
        return sorted({family for _, family, _ in self.counts}, key=lambda name: (name == FILES, name))

    @property
    def levels(self) -> list[str]:
        """Levels with something, in processing order."""
        return sorted({level for level, _, _ in self.counts}, key=_place)


@dataclass(frozen=True)
class Cell:
    """A day of a family or level."""

    day: datetime.date
    counts: Counts

    @property
    def worst(self) -> State | None:
        """The worst state; None if nothing is expected."""
        return next((state for state in STATES if self.counts.get(state)), None)

    @property
    def total(self) -> int:
        """Number of files."""
        return sum(self.counts.values())

    @property
    def parts(self) -> list[tuple[State, int]]:
        """Lengths of the bar of proportions, in twentieths; every state that occurs has at least one.

        Examples
        --------
        >>> Cell(datetime.date(2026, 11, 1), {"complete": 99, "failed": 1}).parts
        [('failed', 1), ('complete', 19)]
        """
        total = self.total
        found = [
            (state, max(1, round(_PARTS * self.counts[state] / total))) for state in STATES if self.counts.get(state)
        ]
        if found:
            largest = max(range(len(found)), key=lambda place: found[place][1])
            state, length = found[largest]
            found[largest] = (state, max(1, length + _PARTS - sum(part for _, part in found)))
        return found

    @property
    def said(self) -> str:
        """Return all states in words.

        Examples
        --------
        >>> Cell(datetime.date(2026, 11, 1), {"complete": 1200, "failed": 1}).said
        '1 failed, 1,200 complete'
        """
        return ", ".join(f"{self.counts[state]:,} {state}" for state in STATES if self.counts.get(state))


@dataclass(frozen=True)
class Month:
    """A month as a table: a row for each day, a column for each family, or for each level of one family."""

    name: str
    """YYYY-MM."""
    columns: list[str]
    days: list[tuple[datetime.date, list[Cell]]]
    before: str
    after: str
    total: int
    """Files of the month."""


def day_states(connection: psycopg.Connection[Any], settings: Settings, now: datetime.datetime) -> DayStates:
    """Find the state of every file of telemetry and add up by day.

    Parameters
    ----------
    connection : psycopg.Connection
        A read-only transaction.
    settings : Settings
        With versions of products.
    now : datetime
        With a time zone.

    Examples
    --------
    A cell of the result is `states.counts["L1", "quicklook", day]["complete"]`.
    """
    look = Look(connection, settings, now=now)
    stale = {file.path: file.reason for file in look.stale}
    counts: dict[Key, Counter[State]] = {}

    def add(level: str, family: str, day: datetime.date, state: State, number: int = 1) -> None:
        counts.setdefault((level, family, day), Counter())[state] += number

    open_ones: dict[str, State] = {
        path: "failed" if status == "error" else "held"
        for path, status in connection.execute(
            "SELECT path, min(status) FROM publication WHERE status IN ('held', 'error')"
            " AND agreed_at IS NULL GROUP BY path"
        ).fetchall()
    }
    special = sorted(stale.keys() | open_ones.keys())
    for level, family, day, number in connection.execute(
        "SELECT level, family, day, count(*) FROM product_file WHERE superseded_at IS NULL"
        " AND path <> ALL(%s::text[]) GROUP BY 1, 2, 3",
        (special,),
    ).fetchall():
        add(level, family, day, "complete", number)
    for level, family, day, path in connection.execute(
        "SELECT level, family, day, path FROM product_file WHERE superseded_at IS NULL AND path = ANY(%s::text[])",
        (special,),
    ).fetchall():
        add(level, family, day, open_ones.get(path, "stale"))
    for name, waiting in (("L0", look.without_level0), ("L1", look.without_level1)):
        for file in waiting:
            add(name, file.family, file.day, "waiting")
    for days in look.families:
        if days.family in GAPS:
            for day in missing_days(days.days, longest=GAPS[days.family]):
                add("LB", days.family, day, "waiting")
    for day, state, number in connection.execute(
        "SELECT (first_seen AT TIME ZONE 'UTC')::date, CASE WHEN state IN ('failed', 'quarantined') THEN 'failed'"
        " WHEN state = 'processed' THEN 'complete' ELSE 'waiting' END, count(*) FROM telemetry_file"
        " WHERE state NOT IN ('gone', 'dismissed') GROUP BY 1, 2"
    ).fetchall():
        add(ARRIVED, FILES, day, state, number)
    return DayStates(counts, stale)


def month_of(states: DayStates, month: str, *, level: str | None = None, family: str | None = None) -> Month:
    """A month as a table.

    Parameters
    ----------
    states : DayStates
        Of all days.
    month : str
        YYYY-MM.
    level, family : str, optional
        Only these. A column is a family; if one is given, a level.

    Raises
    ------
    ValueError
        If there is no such month.

    Examples
    --------
    >>> states = DayStates({("L1", "quicklook", datetime.date(2026, 2, 3)): {"complete": 2}})
    >>> month = month_of(states, "2026-02")
    >>> month.columns, len(month.days), month.days[2][1][0].total, month.before
    (['quicklook'], 28, 2, '2026-01')
    """
    first = first_day(month)
    counts = {
        key: found
        for key, found in states.counts.items()
        if (level is None or key[0] == level) and (family is None or key[1] == family)
    }
    by_level = family is not None
    names: Collection[str] = {key[0] if by_level else key[1] for key in counts}
    columns = sorted(names, key=_place if by_level else (lambda name: (name == FILES, name)))
    cells: dict[tuple[str, datetime.date], Counter[State]] = {}
    for (one_level, one_family, day), found in counts.items():
        if (day.year, day.month) == (first.year, first.month):
            cells.setdefault((one_level if by_level else one_family, day), Counter()).update(found)
    length = calendar.monthrange(first.year, first.month)[1]
    days = [first + datetime.timedelta(days=step) for step in range(length)]
    table = [(day, [Cell(day, cells.get((column, day), {})) for column in columns]) for day in days]
    last = days[-1]
    return Month(
        month,
        columns,
        table,
        f"{first - datetime.timedelta(days=1):%Y-%m}",
        f"{last + datetime.timedelta(days=1):%Y-%m}",
        sum(cell.total for _, row in table for cell in row),
    )


def first_day(month: str) -> datetime.date:
    """The first day of a month written as YYYY-MM.

    Raises
    ------
    ValueError
        If it is not a month between 1971 and 2999.

    Examples
    --------
    >>> first_day("2026-11")
    datetime.date(2026, 11, 1)
    """
    year, _, number = month.partition("-")
    digits = year.isascii() and number.isascii() and year.isdigit() and number.isdigit()
    if not digits or (len(year), len(number)) != (4, 2) or not 1971 <= int(year) <= 2999:
        raise ValueError(f"{month[:20]!r} is not a month such as 2026-11")
    return datetime.date(int(year), int(number), 1)


def _place(level: str) -> tuple[int, str]:
    return (ALL_LEVELS.index(level) if level in ALL_LEVELS else len(ALL_LEVELS), level)

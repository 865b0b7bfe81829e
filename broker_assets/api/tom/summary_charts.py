"""Charts of the counts on the pages of the campaigns, laid out for templates that draw them as SVG."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker_assets.api.site.night_bars import NightChart, night_chart
from broker_assets.tom.first_campaign.summaries import Drawing, Summary

MOST: Final = 60
"""Most charts on a page."""
CELL: Final = 26
"""Width and height of a cell, pixels."""


@dataclass(frozen=True)
class SummaryCell:
    """A cell, in pixels of the drawing."""

    x: int
    y: int
    shade: float
    text: str


@dataclass(frozen=True)
class Cells:
    """Cells that are darker for larger values."""

    rows: list[str]
    columns: list[str]
    cells: list[SummaryCell]
    size: int = CELL


@dataclass(frozen=True)
class SummaryChart:
    """A chart: bars, or cells."""

    title: str
    text: str
    """Text alternative, for readers who cannot see the chart."""
    bars: NightChart | None = None
    cells: Cells | None = None


def charts_of(summary: Summary, rows: Sequence[Sequence[Any]]) -> list[SummaryChart]:
    """Charts of a page, `MOST` at most.

    Parameters
    ----------
    summary : Summary
        The page.
    rows : sequence of sequence
        Its rows; those of one chart are consecutive.

    Examples
    --------
    >>> page = Summary("Alerts", ("Broker", "Day", "Alerts"), "", drawing=Drawing(2, 1, of=(0,)))
    >>> [chart] = charts_of(page, [("a", "2023-01-05", 10), ("a", "2023-01-06", 5)])
    >>> chart.title, [bar.value for bar in chart.bars.bars]
    ('a', [10, 5])
    """
    drawing = summary.drawing
    if drawing is None or not rows:
        return []
    made = []
    for key, group in itertools.islice(itertools.groupby(rows, lambda row: [row[one] for one in drawing.of]), MOST):
        lines = [row for row in group if row[drawing.value] is not None]
        title = ", ".join(
            f"{summary.headings[one]} {value}" if one else str(value)
            for one, value in zip(drawing.of, key, strict=True)
        )
        if drawing.y is None:
            made.append(_bars(summary, drawing, title, lines))
        else:
            made.append(_cells(summary, drawing, drawing.y, title, lines))
    return made


def _bars(summary: Summary, drawing: Drawing, title: str, lines: list[Sequence[Any]]) -> SummaryChart:
    ordered = lines[::-1] if drawing.newest_first else lines
    bars = night_chart([(_name(line[drawing.x]), round(line[drawing.value]), True) for line in ordered])
    text = f"{summary.headings[drawing.value]} by {summary.headings[drawing.x]}"
    return SummaryChart(title, text, bars=bars)


def _cells(
    summary: Summary, drawing: Drawing, y: int, title: str, lines: list[Sequence[Any]]
) -> SummaryChart:  # fmt: skip
    rows = sorted({line[y] for line in lines}, key=_place)
    columns = sorted({line[drawing.x] for line in lines}, key=_place)
    cells = [
        SummaryCell(
            columns.index(line[drawing.x]) * CELL, rows.index(line[y]) * CELL,
            round(min(1.0, float(line[drawing.value]) / drawing.most), 3),
            f"{summary.headings[y]} {_name(line[y])}, {summary.headings[drawing.x]} {_name(line[drawing.x])}:"
            f" {line[drawing.value]}",
        )
        for line in lines
    ]  # fmt: skip
    text = f"{summary.headings[drawing.value]}; rows: {summary.headings[y]}, columns: {summary.headings[drawing.x]}"
    return SummaryChart(title, text, cells=Cells([_name(one) for one in rows], [_name(one) for one in columns], cells))


def _name(value: Any) -> str:
    return "–" if value is None else str(value)


def _place(value: Any) -> tuple[bool, float]:
    """Sort key of a class or an interval of days: its first number; "before" comes first, and None last.

    Examples
    --------
    >>> sorted(["after 100", "5 to 10", "before -30", None, "-30 to -25"], key=_place)
    ['before -30', '-30 to -25', '5 to 10', 'after 100', None]
    """
    found = re.search(r"-?\d+", _name(value))
    number = float(found.group()) if found is not None else math.inf
    return value is None, number - 0.5 * _name(value).startswith("before")

"""Layout of a chart with one bar for each night, which templates draw as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH = 720
HEIGHT = 180
_LEFT, _TOP, _BOTTOM = 64, 16, 28


@dataclass(frozen=True)
class NightBar:
    """A bar, in pixels of the drawing."""

    name: str
    value: int
    x: float
    y: float
    width: float
    height: float
    labelled: bool
    """Whether there is room below for the name of the night."""
    partly: bool = False
    """Whether only a part of the night was read."""


@dataclass(frozen=True)
class NightChart:
    """A chart from 0 to the largest value."""

    bars: list[NightBar]
    highest: int
    quota_y: float | None
    """Height of the line of the quota, where it is within the chart."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    bottom: int = HEIGHT - _BOTTOM
    top: int = _TOP
    ticks: list[tuple[float, int]] = field(default_factory=list)
    """Heights and values of the lines behind the bars."""


def night_chart(nights: Sequence[tuple[str, int, bool]], quota: int | None = None) -> NightChart:
    """Lay out a chart.

    Parameters
    ----------
    nights : sequence of (str, int, bool)
        Name, value, and whether the night is complete; in the order of the bars.
    quota : int, optional
        Drawn as a line if it is not far above the largest value.

    Examples
    --------
    >>> chart = night_chart([("2025-11-20", 10, True), ("2025-11-21", 5, False)], quota=8)
    >>> [bar.height for bar in chart.bars], chart.highest, chart.quota_y
    ([136.0, 68.0], 10, 43.2)
    """
    largest = max((value for _, value, _ in nights), default=0)
    highest = max(largest, quota if quota is not None and quota < 2 * largest else 0, 1)
    room = HEIGHT - _TOP - _BOTTOM
    step = (WIDTH - _LEFT) / max(len(nights), 1)
    every = max(1, -(-len(nights) // 8))
    bars = [
        NightBar(
            name, value, round(_LEFT + place * step + 0.1 * step, 1),
            round(HEIGHT - _BOTTOM - value / highest * room, 1), round(min(0.8 * step, 96.0), 1),
            round(value / highest * room, 1), place % every == 0, not complete,
        )
        for place, (name, value, complete) in enumerate(nights)
    ]  # fmt: skip
    quota_y = None
    if quota is not None and quota <= highest:
        quota_y = round(HEIGHT - _BOTTOM - quota / highest * room, 1)
    ticks = [(float(HEIGHT - _BOTTOM), 0), (float(_TOP), highest)]
    return NightChart(bars, highest, quota_y, ticks=ticks)

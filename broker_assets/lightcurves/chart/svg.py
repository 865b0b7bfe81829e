"""A light curve as SVG: what a page shows before its scripts run, what is printed, and what is downloaded.

Shape and colour show the band, the filling shows survey and kind: Rubin solid, ZTF solid with a dot; forced photometry
is hollow, or hollow with a dot. Colours come from the classes `band-u` … `band-y` of the style sheet; a stand-alone
file contains its own style.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

from broker_assets.database.tables import SURVEYS
from broker_assets.lightcurves.chart.marks import Marks, is_forced, summary, tick_text, ticks
from broker_assets.lightcurves.chart.rows import utc_text
from broker_assets.lightcurves.chart.state import X_AXES, Y_AXES, ChartState
from broker_assets.lightcurves.photometry import BANDS

COLOURS: Final = {"u": "#1600ea", "g": "#31de1f", "r": "#b52626", "i": "#370201", "z": "#ba52ff", "y": "#61a2b3"}
"""Rubin's colours of bands on light grounds, RTN-045."""
_OTHER: Final = "#667085"
_MINUTE: Final = 1 / 1440
"""Days, added to a tick before its date is read: midnight TAI is 37 s before midnight UTC, but means the new day."""
_SIZE: Final = 4.5
"""Half the size of a symbol, pixels."""


@cache
def symbol(band: int, size: float = _SIZE) -> str:
    """Path of the symbol of a band around the point where it begins, in relative commands.

    Parameters
    ----------
    band : int
        Place in `BANDS`: circle, triangle, triangle upside down, square, star, pentagon; −1 a diamond.
    size : float
        Half its width, pixels.

    Examples
    --------
    >>> symbol(3, 4)
    'm-3.4 -3.4l6.8 0l0 6.8l-6.8 0z'
    """
    if band == 0:
        return _circle(size)
    if band == 3:
        half = size * 0.85
        return _polygon([(-half, -half), (half, -half), (half, half), (-half, half)])
    if band == 4:
        return _polygon([_turned(size * (0.55 if turn % 2 else 1.25), turn * 36 - 90) for turn in range(10)])
    sides, first, factor = {1: (3, -90, 1.2), 2: (3, 90, 1.2), 5: (5, -90, 1.1)}.get(band, (4, 0, 1.2))
    return _polygon([_turned(size * factor, first + 360 / sides * corner) for corner in range(sides)])


def _turned(radius: float, angle: float) -> tuple[float, float]:
    return radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))


def _circle(radius: float) -> str:
    arc = f"a{radius:g} {radius:g} 0 1 0"
    return f"m{-radius:g} 0{arc} {2 * radius:g} 0{arc} {-2 * radius:g} 0z"


def _polygon(corners: Sequence[tuple[float, float]]) -> str:
    places = [(round(x, 2), round(y, 2)) for x, y in corners]
    steps = [
        f"{round(x - before_x, 2) + 0.0:g} {round(y - before_y, 2) + 0.0:g}"
        for (before_x, before_y), (x, y) in pairwise(places)
    ]
    return f"m{places[0][0] + 0.0:g} {places[0][1] + 0.0:g}l" + "l".join(steps) + "z"


@dataclass(frozen=True)
class Axes:
    """Labels for a chart that is not the light curve of an object."""

    y: str
    x: str = ""
    """Label of a horizontal axis that is not time; empty if it is time."""
    summary: str = ""
    """The chart in a sentence, for those who do not see it."""


def chart_svg(
    shown: Marks,
    state: ChartState,
    *,
    now: float,
    size: tuple[int, int] = (760, 400),
    ticks_at: Sequence[tuple[float, str]] = (),
    matches_at: Sequence[tuple[float, str]] = (),
    standalone: bool = False,
    axes: Axes | None = None,
) -> str:
    """Draw a light curve.

    Parameters
    ----------
    shown : Marks
        What is drawn.
    state : ChartState
        Axes.
    now : float
        MJD TAI from which "days ago" are counted.
    size : (int, int)
        Width and height, pixels.
    ticks_at : sequence of (float, str)
        Times, MJD TAI, that are marked below the axis, with what happened.
    matches_at : sequence of (float, str)
        Times, MJD TAI, at which the object passed filters, with their names; marked inside the axis.
    standalone : bool
        Whether the drawing is a stand-alone file, which contains its own style.
    axes : Axes, optional
        Labels of the axes that differ from those of the state.

    Returns
    -------
    str
        An `svg` element; text in it is escaped.
    """
    return _Drawing(shown, state, now, size, standalone, axes).draw(ticks_at, matches_at)


class _Drawing:
    def __init__(
        self,
        shown: Marks,
        state: ChartState,
        now: float,
        size: tuple[int, int],
        standalone: bool,
        axes: Axes | None = None,
    ) -> None:
        self.axes = axes or Axes(Y_AXES[state.y])
        self.shown, self.state, self.now, self.standalone = shown, state, now, standalone
        self.width, self.height = size
        self.left, self.right, self.top, self.bottom = 64, self.width - 12, 24, self.height - 40
        self.narrow = self.width < 500

    def x(self, mjd: float) -> float:
        low, high = self.shown.x_range
        return self.left + (mjd - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.shown.y_range
        part = (value - low) / (high - low)
        return self.top + (part if self.state.y == "mag" else 1.0 - part) * (self.bottom - self.top)

    def draw(self, ticks_at: Sequence[tuple[float, str]], matches_at: Sequence[tuple[float, str]] = ()) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="curve" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img">'
            f"<title>{escape(self.axes.summary or summary(self.shown, self.state))}</title>"
        ]
        if self.standalone:
            parts.append(f"<style>{file_style()}</style>")
            parts.append(f'<rect width="{self.width}" height="{self.height}" class="ground"/>')
        parts += self._axes()
        for mjd, text in ticks_at:
            if self.shown.x_range[0] <= mjd <= self.shown.x_range[1]:
                at = f"{self.x(mjd):.1f}"
                parts.append(
                    f'<path d="M{at} {self.bottom}l-4 8h8z" class="event"><title>{escape(text)}</title></path>'
                )
        low, high = self.shown.x_range
        parts += [
            f'<path d="M{self.x(mjd):.1f} {self.bottom}v-10m-3 0h6" class="match"><title>{escape(text)}</title></path>'
            for mjd, text in matches_at
            if low <= mjd <= high
        ]
        parts += self._marks()
        parts.append("</svg>")
        return "".join(parts)

    def _axes(self) -> list[str]:
        parts = [
            f'<rect x="{self.left}" y="{self.top}" width="{self.right - self.left}"'
            f' height="{self.bottom - self.top}" class="frame"/>'
        ]
        y_ticks = ticks(*self.shown.y_range, 5 if self.narrow else 7)
        for value in y_ticks:
            at = f"{self.y(value):.1f}"
            kind = "zero" if value == 0 and self.state.y != "mag" else "grid"
            parts.append(f'<path d="M{self.left} {at}H{self.right}" class="{kind}"/>')
            parts.append(
                f'<text x="{self.left - 6}" y="{at}" dy=".35em" text-anchor="end">{_short(value, y_ticks)}</text>'
            )
        low, high = self.shown.x_range
        timed = not self.axes.x
        ago = timed and self.state.x == "ago"
        x_ticks = (
            ticks(low - self.now, high - self.now, 4 if self.narrow else 6)
            if ago
            else ticks(low, high, 4 if self.narrow else 6)
        )
        for value in x_ticks:
            mjd = value + self.now if ago else value
            at = f"{self.x(mjd):.1f}"
            text = tick_text(-value if ago else value, x_ticks).replace(",", "")
            parts.append(f'<path d="M{at} {self.top}V{self.bottom}" class="grid"/>')
            parts.append(f'<text x="{at}" y="{self.bottom + 16}" text-anchor="middle">{text}</text>')
            if timed:
                day = utc_text(mjd + _MINUTE)[:10]
                parts.append(f'<text x="{at}" y="{self.top - 8}" text-anchor="middle" class="faint">{day}</text>')
        middle_x, middle_y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        below = escape(self.axes.x or X_AXES[self.state.x])
        parts.append(f'<text x="{middle_x:g}" y="{self.height - 6}" text-anchor="middle">{below}</text>')
        parts.append(
            f'<text x="12" y="{middle_y:g}" text-anchor="middle" transform="rotate(-90 12 {middle_y:g})">'
            f"{escape(self.axes.y)}</text>"
        )
        return parts

    def _marks(self) -> list[str]:
        """One path for all marks that look alike, so that the drawing of a long light curve stays small.

        Detections lie above forced photometry of the same exposure, which lies above limits.
        """
        shown, points = self.shown, self.shown.points
        hollow, ztf = is_forced(shown), points.survey == SURVEYS["ztf"]
        layers: tuple[dict[str, list[str]], ...] = ({}, {}, {}, {})
        low, high = shown.x_range
        for row in np.flatnonzero((points.mjd >= low) & (points.mjd <= high)).tolist():
            band = int(points.band[row])
            name = BANDS[band] if 0 <= band < len(BANDS) else "other"
            x = f"{self.x(float(points.mjd[row])):.1f}"
            if shown.off_scale[row]:
                above = (shown.off_scale[row] > 0) != (self.state.y == "mag")
                tick = f"M{x} {self.top}v6" if above else f"M{x} {self.bottom}v-6"
                layers[0].setdefault(f"off band-{name}", []).append(tick)
                continue
            y = f"{self.y(float(shown.y[row])):.1f}"
            if shown.is_limit[row]:
                layers[0].setdefault(f"limit band-{name}", []).append(f"M{x} {y}m-4 0h8m-4 0v9m-2.5 -3l2.5 3l2.5 -3")
                continue
            error = float(shown.error[row])
            if math.isfinite(error) and error > 0:
                ends = sorted(self.y(float(shown.y[row]) + sign * error) for sign in (-1, 1))
                bar = f"M{x} {max(ends[0], self.top):.1f}V{min(ends[1], self.bottom):.1f}"
                layers[1].setdefault(f"bar band-{name}", []).append(bar)
            kind, layer = ("hollow", layers[2]) if hollow[row] else ("solid", layers[3])
            layer.setdefault(f"mark {kind} band-{name}", []).append(f"M{x} {y}{symbol(band)}")
            if ztf[row]:
                layer.setdefault(f"dot {kind}", []).append(f"M{x} {y}{_circle(1.3)}")
        # Dots lie on their marks.
        return [
            f'<path class="{look}" d="{"".join(found)}"/>'
            for layer in layers
            for look, found in sorted(layer.items(), key=lambda item: item[0].startswith("dot"))
        ]


def _short(value: float, values: Sequence[float]) -> str:
    """A value of the vertical axis; large fluxes in thousands or millions."""
    largest = max(abs(one) for one in values)
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if largest >= factor:
            unit = 1e3 if letter == "k" else factor
            return tick_text(value / unit, [one / unit for one in values]) + ("" if value == 0 else letter)
    return tick_text(value, values)


def file_style() -> str:
    """The style of a drawing that is a stand-alone file."""
    bands = "".join(f".band-{band}{{--c:{colour}}}" for band, colour in COLOURS.items())
    return (
        f"{bands}.band-other{{--c:{_OTHER}}}text{{font:12px system-ui,sans-serif;fill:#1c2430}}.faint{{fill:#667085}}"
        ".ground{fill:#fff}.frame{fill:none;stroke:#7c8799}.grid{stroke:#e3e7ee;fill:none}.zero{stroke:#7c8799;fill:none}"
        ".mark{stroke:#1c2430;stroke-width:1}.solid{fill:var(--c)}.hollow{fill:#fff;stroke:var(--c);stroke-width:1.5}"
        ".dot.solid{fill:#fff}.dot.hollow{fill:#1c2430;stroke:none}"
        ".bar,.limit,.off{stroke:var(--c);fill:none;stroke-width:1.2}.off{stroke-width:2.5}.event{fill:#2f5fd0}"
        ".match{fill:none;stroke:#12805c;stroke-width:2}"
    )

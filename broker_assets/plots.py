"""Bar charts as small PNGs, for the pages of operators.

Every run of the stream attaches some to its results. They are drawn with Pillow alone, in a few milliseconds; a
plotting library takes half a second for each, which is longer than the run itself.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_INK: Final = "#1c2430"
_FAINT: Final = "#707070"
_BAR: Final = "#2f6fb0"
_TEXT: Final = 11
_LINE: Final = 15
"""Height of a line of text, pixels."""
_MARGIN: Final = 8
_LARGEST: Final = 1e300
"""Above it, the difference of two limits of an axis may be infinite."""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One panel of a chart."""

    heights: NDArray[np.float64]
    """(n,) float64, not negative: the height of each bar, to any scale."""
    edges: NDArray[np.float64] | None = None
    """(n + 1,) float64: where bars begin and end; None for bars of equal width."""
    title: str = ""
    """Text above."""
    label: str = ""
    """Text below: what the axis counts, with its unit."""
    names: Sequence[str] = ()
    """Text below each bar instead of the range of the axis."""
    values: Sequence[str] = ()
    """Text above each bar."""


def histogram(
    values: NDArray[np.float64], *, bins: int, limits: tuple[float, float] | None = None, title: str, label: str = ""
) -> Bars:
    """Count finite values in bins of equal width.

    Parameters
    ----------
    values : (n,) float64 array
        NaN and infinite values are left out.
    bins : int
        Number of bins.
    limits : (float, float), optional
        Ends of the axis; by default the 1st and the 99th percentile, so that single wild values do not hide the rest.
    title, label : str
        Texts of the panel.

    Examples
    --------
    >>> histogram(np.array([0.1, 0.9, np.nan]), bins=2, limits=(0.0, 1.0), title="score").heights.tolist()
    [1.0, 1.0]
    """
    known = values[np.isfinite(values)]
    low, high = limits or np.clip(np.percentile(known, (1, 99)) if known.size else (0.0, 1.0), -_LARGEST, _LARGEST)
    if high - low <= 1e-9 * abs(low):  # bins would be narrower than the precision of the numbers
        high = low + max(1.0, 1e-6 * abs(low))
    counts, edges = np.histogram(known, bins=bins, range=(low, high))
    return Bars(heights=counts.astype(np.float64), edges=edges, title=title, label=label)


def bars_png(panels: Sequence[Bars], *, columns: int, size: tuple[int, int]) -> bytes:
    """Draw panels side by side and below each other.

    Parameters
    ----------
    panels : sequence of Bars
        From left to right, then downwards.
    columns : int
        Panels side by side, at least 1.
    size : (int, int)
        Width and height of a panel, pixels.

    Returns
    -------
    bytes
        PNG with an opaque white background, legible on pages with a dark background too.

    Examples
    --------
    >>> bars_png([histogram(np.array([1.0, 2.0]), bins=4, title="2 of 2")], columns=1, size=(160, 140))[:4]
    b'\\x89PNG'
    """
    from PIL import Image, ImageDraw

    width, height = size
    lines = -(-max(len(panels), 1) // columns)
    picture = Image.new("P", (width * columns, height * lines), "white")
    draw = ImageDraw.Draw(picture)
    for place, panel in enumerate(panels):
        _draw(draw, panel, (place % columns) * width, (place // columns) * height, size)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _draw(draw: Any, panel: Bars, x: int, y: int, size: tuple[int, int]) -> None:
    left, right = x + _MARGIN, x + size[0] - _MARGIN
    top = y + _LINE * (bool(panel.title) + bool(panel.values)) + _MARGIN
    bottom = y + size[1] - _LINE * (1 + bool(panel.label)) - _MARGIN
    middle = (left + right) / 2
    _write(draw, (middle, y + _MARGIN), panel.title, _INK, "mt")
    _write(draw, (middle, y + size[1] - _MARGIN), panel.label, _INK, "mb")
    edges = panel.edges if panel.edges is not None else np.arange(len(panel.heights) + 1, dtype=np.float64)
    span = float(edges[-1] - edges[0]) or 1.0
    places = left + (edges - edges[0]) / span * (right - left)
    gap = 0.15 * (right - left) / max(len(panel.heights), 1) if panel.edges is None else 0.0
    highest = float(panel.heights.max(initial=0.0)) or 1.0
    tops = bottom - panel.heights / highest * (bottom - top)
    for number, (begin, end, bar) in enumerate(zip(places[:-1], places[1:], tops, strict=True)):
        if bar < bottom:
            draw.rectangle((begin + gap, min(bar, bottom - 1), max(end - gap - 1, begin + gap), bottom), fill=_BAR)
        if number < len(panel.values):
            _write(draw, ((begin + end) / 2, bar - 2), panel.values[number], _INK, "mb")
        if number < len(panel.names):
            _write(draw, ((begin + end) / 2, bottom + 3), panel.names[number], _FAINT, "mt")
    draw.line((left, bottom, right, bottom), fill=_INK)
    if not panel.names and len(panel.heights):
        _write(draw, (left, bottom + 3), f"{edges[0]:.3g}", _FAINT, "lt")
        _write(draw, (right, bottom + 3), f"{edges[-1]:.3g}", _FAINT, "rt")


def _write(draw: Any, place: tuple[float, float], text: str, colour: str, anchor: str) -> None:
    """Draw a text on one line: Pillow cannot anchor several lines."""
    draw.text(place, " ".join(text.split()), fill=colour, font=label_font(), anchor=anchor)


@cache
def label_font() -> FreeTypeFont:
    """DejaVu Sans, which has the Greek letters and signs of units; it comes with matplotlib, which is not imported."""
    from PIL import ImageFont

    package = importlib.util.find_spec("matplotlib")
    if package is None or package.origin is None:
        return cast("FreeTypeFont", ImageFont.load_default(_TEXT))
    file = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), _TEXT)

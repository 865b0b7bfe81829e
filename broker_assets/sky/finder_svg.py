"""A finding chart as SVG: marked positions and circles around a middle, north up, east to the left, with a scale.

It has no survey image: pages show it until an image is requested, and where none can be shown.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from broker_assets.sky.marked_field import MarkedField, tangent

_SCALES: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000)
"""Lengths of the bar, arcsec."""
_SHAPES: Final = {
    "centre": "m-14 0h9m10 0h9m-14 -14v9m0 10v9",
    "object": "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0",
    "context": "m-5 -5h10v10h-10z",
}
"""Paths around the position, in relative commands."""


def length_text(arcsec: float) -> str:
    """A length on the sky.

    Examples
    --------
    >>> length_text(5), length_text(120), length_text(7200)
    ('5″', '2′', '2°')
    """
    if arcsec < 60:
        return f"{arcsec:g}″"
    return f"{arcsec / 60:g}′" if arcsec < 3600 else f"{arcsec / 3600:g}°"


def finder_svg(field: MarkedField, *, summary: str, size: int = 280) -> str:
    """Draw a finding chart.

    Parameters
    ----------
    field : MarkedField
        What is marked; its regions are not drawn.
    summary : str
        The chart in a sentence.
    size : int
        Width and height, pixels.

    Returns
    -------
    str
        An `svg` element; text in it is escaped.
    """
    scale = size / field.width
    half = size / 2
    bar = max((one for one in _SCALES if one / 3600 * scale <= size * 0.45), default=_SCALES[0])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="finder" viewBox="0 0 {size} {size}" width="{size}"'
        f' height="{size}" role="img" aria-label={quoteattr(summary)}>',
        f'<rect x=".5" y=".5" width="{size - 1}" height="{size - 1}" class="frame"/>',
    ]
    circles = [(circle, tangent(field, circle.ra, circle.dec)) for circle in field.circles]
    parts += [
        f'<circle cx="{half + place[0] * scale:.1f}" cy="{half - place[1] * scale:.1f}"'
        f' r="{circle.arcsec / 3600 * scale:.1f}" class="circle"><title>{escape(circle.name)}</title></circle>'
        for circle, place in circles
        if place is not None
    ]
    for point in field.points:
        place = tangent(field, point.ra, point.dec)
        if place is None or max(map(abs, place)) * scale > half:
            continue
        x, y = half + place[0] * scale, half - place[1] * scale
        parts.append(
            f'<path d="M{x:.1f} {y:.1f}{_SHAPES[point.kind]}" class="point {point.kind}">'
            f"<title>{escape(point.name)}</title></path>"
        )
        if point.kind == "context":
            end = x > size * 0.6
            parts.append(
                f'<text x="{x + (-9 if end else 9):.1f}" y="{y + (-8 if y > 30 else 18):.1f}"'
                f' text-anchor="{"end" if end else "start"}">{escape(point.name[:28])}</text>'
            )
    length = bar / 3600 * scale
    parts.append(
        f'<path d="M12 {size - 14}h{length:.1f}m0 -4v8m{-length:.1f} -8v8" class="scale"/>'
        f'<text x="{12 + length / 2:.1f}" y="{size - 22}" text-anchor="middle">{length_text(bar)}</text>'
        f'<path d="M{size - 16} {size - 14}v-26m-4 7l4 -7l4 7m-4 19h-26m7 -4l-7 4l7 4" class="scale"/>'
        f'<text x="{size - 16}" y="{size - 44}" text-anchor="middle">N</text>'
        f'<text x="{size - 46}" y="{size - 10}" text-anchor="end">E</text></svg>'
    )
    return "".join(parts)

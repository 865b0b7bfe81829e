"""Objects on a map of the whole sky as SVG, in equal-area projection, with symbols of their classes.

Right ascension increases to the left and is 0h in the middle. Colours come from the classes `class-sn` … of the style
sheet; every class has a shape of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLASSES: Final = ("SN", "NT", "AGN", "CV", "VS", "BS", "ORPHAN", "UNCLEAR")
"""Context classes; others are drawn as UNCLEAR."""
_SHAPES: Final = {
    "SN": "M0 -5.6L1.5 -2L5.4 -1.7L2.4.8L3.3 4.6L0 2.5L-3.3 4.6L-2.4.8L-5.4 -1.7L-1.5 -2Z",
    "NT": "M0 -5L5 0L0 5L-5 0Z",
    "AGN": "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "CV": "M0 -5L4.5 3L-4.5 3Z",
    "VS": "M-3.6 -3.6H3.6V3.6H-3.6Z",
    "BS": "M0 5L4.5 -3L-4.5 -3Z",
    "ORPHAN": "M-1.5 -4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
    "UNCLEAR": "M-3.6 0A3.6 3.6 0 1 0 3.6 0A3.6 3.6 0 1 0 -3.6 0Z",
}
_TURNS: Final = 8


def mollweide(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mollweide's equal-area projection with east to the left.

    Parameters
    ----------
    ra, dec : float arrays
        ICRS, degrees.

    Returns
    -------
    x, y : float64 arrays
        x from −2 (left) to 2, y from −1 (south) to 1.

    Notes
    -----
    Solves 2θ + sin 2θ = π sin δ by Newton's method; Snyder 1987, USGS Professional Paper 1395, p. 251.

    Examples
    --------
    >>> x, y = mollweide([0.0, 90.0, 270.0, 10.0], [0.0, 0.0, 0.0, 90.0])
    >>> x.round(3) + 0.0, y.round(3)
    (array([ 0., -1.,  1.,  0.]), array([0., 0., 0., 1.]))
    """
    longitude = np.radians((np.asarray(ra, np.float64) + 180.0) % 360.0 - 180.0)
    latitude = np.radians(np.asarray(dec, np.float64))
    wanted = np.pi * np.sin(latitude)
    theta = np.array(latitude * 0.9, np.float64)
    for _ in range(_TURNS):
        slope = 2.0 + 2.0 * np.cos(2.0 * theta)
        step = (2.0 * theta + np.sin(2.0 * theta) - wanted) / np.where(slope < 1e-9, 1.0, slope)
        theta = np.clip(theta - np.where(slope < 1e-9, 0.0, step), -np.pi / 2, np.pi / 2)
    pole = np.abs(np.asarray(dec, np.float64)) > 89.999
    theta = np.where(pole, np.sign(latitude) * np.pi / 2, theta)
    return -2.0 / np.pi * longitude * np.cos(theta), np.sin(theta)


def class_key(name: str | None) -> str:
    """The class under which something is drawn.

    Examples
    --------
    >>> class_key("SN"), class_key("sn?"), class_key(None)
    ('SN', 'UNCLEAR', 'UNCLEAR')
    """
    return name if name in CLASSES else "UNCLEAR"


def shape(name: str) -> str:
    """Path of the symbol of a class around the origin."""
    return _SHAPES[class_key(name)]


def sky_svg(
    ra: ArrayLike,
    dec: ArrayLike,
    classes: Sequence[str | None],
    *,
    titles: Sequence[str] = (),
    links: Sequence[str] = (),
    summary: str = "",
    width: int = 640,
) -> str:
    """Draw objects on the sky.

    Parameters
    ----------
    ra, dec : (n,) float arrays
        ICRS, degrees.
    classes : sequence of str or None
        Of each object.
    titles, links : sequence of str
        Text and URL of each object; none if empty.
    summary : str
        The map in a sentence.
    width : int
        Pixels; it is half as high.

    Returns
    -------
    str
        An `svg` element; text in it is escaped.
    """
    half = width / 2 - 8
    height = width // 2

    def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([width / 2 + x / 2 * half, height / 2 - y * (height / 2 - 8)])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sky" viewBox="-28 0 {width + 56} {height}" width="{width}"'
        f' height="{height}" role="{"group" if links else "img"}" aria-label={quoteattr(summary or "Map of the sky")}>',
        f'<ellipse cx="{width / 2:g}" cy="{height / 2:g}" rx="{half:g}" ry="{height / 2 - 8:g}" class="frame"/>',
    ]
    along = np.linspace(-90.0, 90.0, 61)
    parts += [_line(place(*mollweide(np.full(61, at), along))) for at in (-120.0, -60.0, 0.0, 60.0, 120.0)]
    around = np.linspace(-179.999, 179.999, 61)
    parts += [_line(place(*mollweide(around, np.full(61, at)))) for at in (-60.0, -30.0, 0.0, 30.0, 60.0)]
    places = place(*mollweide(ra, dec))
    for row, (x, y) in enumerate(places.tolist()):
        key = class_key(classes[row])
        title = f"<title>{escape(titles[row])}</title>" if titles else ""
        mark = f'<path transform="translate({x:.1f} {y:.1f})" d="{_SHAPES[key]}" class="object class-{key.lower()}"/>'
        if links:
            label = quoteattr(titles[row]) if titles else '""'
            mark = f'<a href={quoteattr(links[row])} aria-label={label} tabindex="-1">{title}{mark}</a>'
        parts.append(mark if links else mark.replace("/>", f">{title}</path>"))
    # The labels are drawn over the objects, which would hide them; the style sheet gives them an outline.
    for hour in (16, 20, 0, 4, 8):
        x, y = place(*mollweide([hour * 15.0], [0.0]))[0]
        parts.append(f'<text x="{x:.0f}" y="{y - 3:.0f}" class="faint date" text-anchor="middle">{hour}h</text>')
    for degrees in (-60, -30, 30, 60):
        x, y = place(*mollweide([179.999], [float(degrees)]))[0]
        words = f"{degrees:+d}°".replace("-", "−")
        parts.append(f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" class="faint date" text-anchor="end">{words}</text>')
    parts.append("</svg>")
    return "".join(parts)


def _line(places: NDArray[np.float64]) -> str:
    return '<path class="grid" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in places.tolist()) + '"/>'

"""A map on which people mark the corners of a polygon: conversion between pixels and positions, and the SVG.

The map is equirectangular about its centre, north up, east left; right ascension is scaled by the cosine of the central
declination. It only serves for marking: matching uses the positions and great circles between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

WIDTH: Final = 720
"""Pixels."""
HEIGHT: Final = 360
FIELDS: Final = (360.0, 90.0, 20.0, 5.0, 1.0)
"""Widths of the map that can be chosen, degrees."""


@dataclass(frozen=True)
class DrawingMap:
    """Where a map is.

    Parameters
    ----------
    ra, dec : float
        Centre, ICRS, degrees.
    field : float
        Width, degrees; the height is half of it.
    """

    ra: float = 180.0
    dec: float = 0.0
    field: float = 360.0

    @property
    def _squeeze(self) -> float:
        return 1.0 if self.field >= 360.0 else max(math.cos(math.radians(self.dec)), 0.02)

    def position(self, x: float, y: float) -> tuple[float, float]:
        """The position of a pixel, degrees, to a tenth of a pixel.

        Examples
        --------
        >>> DrawingMap(10.0, -5.0, 20.0).position(360, 180)
        (10.0, -5.0)
        >>> DrawingMap().position(0, 0)
        (0.0, 90.0)
        """
        scale = self.field / WIDTH
        digits = max(0, math.ceil(-math.log10(scale / 10)))
        ra = (self.ra - (x - WIDTH / 2) * scale / self._squeeze) % 360.0
        dec = self.dec - (y - HEIGHT / 2) * scale
        return round(ra, digits) % 360.0, round(min(max(dec, -90.0), 90.0), digits)

    def pixel(self, ra: float, dec: float) -> tuple[float, float]:
        """The pixel of a position, which may be outside the map.

        Parameters
        ----------
        ra, dec : float
            ICRS, degrees.

        Returns
        -------
        x, y : float
            Pixels from the upper left corner.
        """
        scale = self.field / WIDTH
        away = (ra - self.ra + 180.0) % 360.0 - 180.0
        return (
            round(WIDTH / 2 - away * self._squeeze / scale, 1),
            round(HEIGHT / 2 - (dec - self.dec) / scale, 1),
        )

    def lines(self) -> Iterator[tuple[float, float, float, float, str]]:
        """Lines of the grid: x and y of both ends, and a label."""
        step = next(
            size for size in (30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1) if size <= self.field / 6 or size == 0.1
        )
        half = self.field / 2 / self._squeeze
        first, last = math.ceil((self.ra - half) / step), math.floor((self.ra + half) / step)
        for number in range(first, min(last, first + 60) + 1):
            ra = number * step
            if ra == self.ra + half and self.field >= 360.0:
                continue
            x = round(WIDTH / 2 - (ra - self.ra) * self._squeeze * WIDTH / self.field, 1)
            yield x, 0.0, x, float(HEIGHT), f"{ra % 360:g}°"
        low, high = max(self.dec - self.field / 4, -90.0), min(self.dec + self.field / 4, 90.0)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            y = self.pixel(self.ra, number * step)[1]
            yield 0.0, y, float(WIDTH), y, f"{number * step:+g}°"


def drawing_svg(map_: DrawingMap, corners: Sequence[tuple[float, float]]) -> str:
    """Draw the grid of a map, the Galactic plane, and a polygon.

    Parameters
    ----------
    map_ : DrawingMap
        Where the map is.
    corners : sequence of (float, float)
        ICRS, degrees.

    Returns
    -------
    str
        A drawing of 720 by 360 pixels, with its own colours.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        '<g stroke="#c4ccd9" stroke-width="1" font-family="sans-serif" font-size="11" fill="#4a5a75">',
    ]
    for x1, y1, x2, y2, label in map_.lines():
        parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
        x, y = (x1 + 3, HEIGHT - 5) if x1 == x2 else (3, y1 - 3)
        parts.append(f'<text x="{x}" y="{y}" stroke="none">{label}</text>')
    parts.append("</g>")
    plane = [map_.pixel(ra, dec) for ra, dec in _galactic_plane()]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="1"/>' for x, y in plane if 0 <= x <= WIDTH and 0 <= y <= HEIGHT)
    parts.append(f'<g fill="#5c7fa3">{dots}</g>')
    pixels = [map_.pixel(ra, dec) for ra, dec in corners]
    if pixels:
        path = " ".join(f"{x},{y}" for x, y in pixels)
        parts.append(f'<polygon points="{path}" fill="#d1495b" fill-opacity="0.2" stroke="#d1495b" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="4" fill="#d1495b"/>' for x, y in pixels]
    parts.append("</svg>")
    return "".join(parts)


def _galactic_plane() -> Iterator[tuple[float, float]]:
    """Positions along the Galactic equator, ICRS, degrees, from the pole and node of the Galactic system (J2000)."""
    pole_ra, pole_dec, node = math.radians(192.85948), math.radians(27.12825), math.radians(122.93192)
    for longitude in np.radians(np.arange(0.0, 360.0, 0.5)).tolist():
        dec = math.asin(math.cos(pole_dec) * math.cos(node - longitude))
        ra = pole_ra + math.atan2(math.sin(node - longitude), -math.sin(pole_dec) * math.cos(node - longitude))
        yield math.degrees(ra) % 360.0, math.degrees(dec)

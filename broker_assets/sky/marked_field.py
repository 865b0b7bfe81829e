"""What a map of a part of the sky shows: its centre and width, marked positions, circles and regions.

Pages pass it to the viewer of survey images; `finder_svg` draws it without an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mocpy import MOC

MOST_CELLS: Final = 6000
"""Cells of a region on a map, at most; regions with more cells are drawn coarser."""
_WIDEST: Final = 180.0
"""Degrees."""


@dataclass(frozen=True)
class Point:
    """A marked position."""

    ra: float
    """ICRS, degrees."""
    dec: float
    """ICRS, degrees."""
    name: str
    kind: str = "object"
    """`centre`, `object` or `context`."""
    link: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Circle:
    """A circle around a position."""

    ra: float
    dec: float
    arcsec: float
    """Radius."""
    name: str


@dataclass(frozen=True)
class Region:
    """Cells of the sky."""

    cells: dict[str, list[int]]
    """HEALPix cells (nested) by order, the JSON form of a MOC."""
    name: str


@dataclass(frozen=True)
class MarkedField:
    """A part of the sky."""

    ra: float
    """Centre, ICRS, degrees."""
    dec: float
    """ICRS, degrees."""
    width: float
    """Degrees."""
    points: Sequence[Point] = field(default_factory=tuple)
    circles: Sequence[Circle] = field(default_factory=tuple)
    regions: Sequence[Region] = field(default_factory=tuple)

    def document(self) -> dict[str, Any]:
        """The field as a JSON document."""
        return asdict(self)


def region_of(moc: MOC, name: str, *, most: int = MOST_CELLS) -> Region:
    """A region with a limited number of cells; it is made coarser until it fits, and then covers slightly more.

    Parameters
    ----------
    moc : mocpy.MOC
        The region.
    name : str
        What it is called.
    most : int
        Cells at most.
    """
    order = int(moc.max_order)
    while len(moc.uniq_hpx) > most and order > 0:
        order -= 1
        moc = moc.degrade_to_order(order)
    return Region({key: list(cells) for key, cells in moc.serialize(format="json").items()}, name)


def field_of(moc: MOC) -> tuple[float, float, float]:
    """Centre (ICRS) and width of a map that shows a region, degrees; the whole sky for an empty or very large region.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import Latitude, Longitude
    >>> from mocpy import MOC
    >>> moc = MOC.from_cone(Longitude(10 * u.deg), Latitude(-5 * u.deg), radius=1 * u.deg, max_depth=10)
    >>> [round(value, 1) for value in field_of(moc)]
    [10.0, -5.0, 2.7]
    """
    if moc.empty() or moc.sky_fraction > 0.25:
        return 0.0, 0.0, _WIDEST
    middle = moc.barycenter()
    radius = float(moc.largest_distance_from_coo_to_vertices(middle).to_value("deg"))
    width = min(max(2.5 * radius, 0.01), _WIDEST)
    return float(middle.ra.deg), float(middle.dec.deg), width


def tangent(field_: MarkedField, ra: float, dec: float) -> tuple[float, float] | None:
    """Offsets of a position on a map, degrees to the west and north of its centre; None beyond 90° from the centre.

    Parameters
    ----------
    field_ : MarkedField
        The map.
    ra, dec : float
        Position, ICRS, degrees.

    Notes
    -----
    Gnomonic projection; Snyder 1987, USGS Professional Paper 1395, p. 165.

    Examples
    --------
    >>> [round(value, 4) for value in tangent(MarkedField(0.0, 0.0, 1.0), 359.9, 0.1)]
    [0.1, 0.1]
    """
    middle, latitude = math.radians(field_.dec), math.radians(dec)
    away = math.radians(ra - field_.ra)
    depth = math.sin(middle) * math.sin(latitude) + math.cos(middle) * math.cos(latitude) * math.cos(away)
    if depth <= 0.05:
        return None
    east = math.cos(latitude) * math.sin(away) / depth
    north = (math.cos(middle) * math.sin(latitude) - math.sin(middle) * math.cos(latitude) * math.cos(away)) / depth
    return -math.degrees(east), math.degrees(north)

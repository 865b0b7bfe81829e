"""Shapes on the sky as MOCs: circles, rings, ellipses, boxes and polygons in any frame, within the limits for a region.

A MOC covers its shape: every cell that the shape touches belongs to it. The geometry is computed here, and mocpy only
gets what it covers without loss; `tests/sky/test_shapes.py` compares both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import astropy.units as u
import numpy as np
from astropy.coordinates import Latitude, Longitude, SkyCoord
from mocpy import MOC
from numpy.typing import NDArray

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.polygons import polygon_moc
from broker_assets.sky.separation import check_positions

Vectors = NDArray[np.float64]
"""(n, 3) unit vectors."""


def without(moc: MOC, excluded: MOC) -> MOC:
    """A region without another one, whose MOC covers it.

    Parameters
    ----------
    moc, excluded : mocpy.MOC
        Of the same order.

    Returns
    -------
    mocpy.MOC
        All cells of `moc`, except those that lie completely in the excluded region. A MOC has every cell that its
        shape touches, and for polygons some next to it, so the two outermost cells of the excluded one stay.

    Examples
    --------
    >>> whole, part = MOC.from_str("0/0-11 5/"), MOC.from_str("5/0")
    >>> without(whole, part) == whole
    True
    """
    return moc.difference(excluded.contracted().contracted())


FRAMES: Final = {
    "ICRS": "icrs", "FK5": "fk5", "J2000": "fk5", "FK4": "fk4", "B1950": "fk4", "GALACTIC": "galactic",
    "ECLIPTIC": "barycentricmeanecliptic",
}  # fmt: skip
"""Names of the frames of DS9 and STC-S, in capitals, with their names in astropy."""

_CELLS_PER_WIDTH = 3.0
"""Approximate number of cells along a cell width of border, those of several orders included."""
_ELLIPSE_CORNERS = 720
"""Corners of a polygon around an ellipse; it is larger by one part in 100,000."""
_ON_A_GREAT_CIRCLE = 1e-10
"""Radians; smallest width of a polygon."""
_NUDGE: Final = 1e-7
"""Degrees (0.36 mas), by which a centre is moved off that of a base cell."""


class Shapes:
    """The shapes of one region, whose limits they share.

    Parameters
    ----------
    order : int
        Maximum order of the MOCs.
    limits : InputLimits
        Shapes, corners and cells of the region, at most.

    Raises
    ------
    NotAnArea
        From every method, if a value is impossible or a limit is exceeded.

    Examples
    --------
    >>> moc = Shapes(9).box("GALACTIC", 100.0, 20.0, 2.0, 0.5, 30.0)
    >>> round(moc.sky_fraction * 41252.96, 1)
    1.5
    """

    def __init__(self, order: int, limits: InputLimits = LIMITS) -> None:
        self.order = order
        self._limits = limits
        self._shapes = 0
        self._corners = 0
        self._cells = 0.0

    def circle(self, frame: str, longitude: float, latitude: float, radius: float) -> MOC:
        """A circle of a radius above 0 and at most 180 degrees."""
        centre = _vectors([longitude], [latitude])
        if not 0.0 < radius <= 180.0:
            raise NotAnArea(f"radius {radius} is not above 0 and at most 180 degrees")
        self._count(360.0 * math.sin(math.radians(min(radius, 90.0))))
        if radius <= 90.0:
            return self._cone(frame, centre, radius)
        # mocpy loses cells of wide circles. The certain outside is a circle around the antipode, smaller by a cell,
        # since its MOC has all cells that it touches.
        outside = 180.0 - radius - self.margin
        everything = MOC.new_empty(self.order).complement()
        if outside <= 0.0:
            return everything
        return everything.difference(self._cone(frame, -centre, outside))

    def _cone(self, frame: str, centre: Vectors, radius: float) -> MOC:
        """A circle of at most 90 degrees."""
        lon, lat = self._icrs(frame, centre)
        if abs(lat.deg.item()) < _NUDGE:
            # Around the exact centre of a HEALPix base cell, mocpy returns the whole base cell.
            lat, radius = lat + 2 * _NUDGE * u.deg, radius + 2 * _NUDGE
        return MOC.from_cone(lon, lat, radius=radius * u.deg, max_depth=self.order)

    def ring(self, frame: str, longitude: float, latitude: float, inner: float, outer: float) -> MOC:
        """What lies between two radii, degrees."""
        if not 0.0 <= inner < outer:
            raise NotAnArea(f"a ring from {inner} to {outer} degrees: the outer radius is the larger one")
        whole = self.circle(frame, longitude, latitude, outer)
        hole = inner - self.margin
        return whole if hole <= 0.0 else whole.difference(self.circle(frame, longitude, latitude, hole))

    def ellipse(self, frame: str, longitude: float, latitude: float, first: float, second: float, angle: float) -> MOC:
        """An ellipse of two semi-axes, degrees; the first is at a position angle, degrees, north through east.

        It is an ellipse in the tangential plane, as DS9 draws it.
        """
        centre = _vectors([longitude], [latitude])
        for axis in (first, second):
            if not 0.0 < axis < 90.0:
                raise NotAnArea(f"semi-axis {axis} is not above 0 and below 90 degrees")
        if not math.isfinite(angle):
            raise NotAnArea(f"angle {angle} is not a number of degrees")
        if first == second:
            return self.circle(frame, longitude, latitude, first)
        # A polygon around the ellipse in the tangential plane.
        turn = np.linspace(0.0, 2.0 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
        larger = 1.0 / math.cos(math.pi / _ELLIPSE_CORNERS)
        along = larger * math.tan(math.radians(first)) * np.cos(turn) * _direction(centre, angle)
        across = larger * math.tan(math.radians(second)) * np.sin(turn) * _direction(centre, angle + 90.0)
        return self._polygon(frame, centre + along + across)

    def box(
        self, frame: str, longitude: float, latitude: float, width: float, height: float, angle: float = 0.0
    ) -> MOC:
        """A box; `height` is along a position angle, degrees, north through east, and `width` across.

        Its sides are great circles that cut the axes through the centre at right angles, at half the width and half
        the height (degrees): straight lines in the tangential plane.
        """
        for size in (width, height):
            if not 0.0 < size < 180.0:
                raise NotAnArea(f"a side of {size} is not above 0 and below 180 degrees")
        if not math.isfinite(angle):
            raise NotAnArea(f"angle {angle} is not a number of degrees")
        centre = _vectors([longitude], [latitude])
        up = math.tan(math.radians(height / 2)) * _direction(centre, angle)
        across = math.tan(math.radians(width / 2)) * _direction(centre, angle + 90.0)
        corners = np.concatenate(
            [centre + up + across, centre + up - across, centre - up - across, centre - up + across]
        )
        return self._polygon(frame, corners)

    def polygon(self, frame: str, longitude: Sequence[float], latitude: Sequence[float]) -> MOC:
        """A polygon with great-circle sides, within half of the sky; where sides cross, the even-odd rule holds."""
        self._corners += len(longitude)
        if self._corners > self._limits.region_corners:
            raise NotAnArea(
                f"the region has more than {self._limits.region_corners:,} corners (BROKER_LIMITS__REGION_CORNERS)"
            )
        return self._polygon(frame, _vectors(longitude, latitude))

    def everything(self) -> MOC:
        """The whole sky."""
        self._count(0.0)
        return MOC.new_empty(self.order).complement()

    def operator(self) -> None:
        """Count an operator on shapes."""
        self._count(0.0)

    def _polygon(self, frame: str, corners: Vectors) -> MOC:
        corners = corners / np.linalg.norm(corners, axis=1, keepdims=True)
        corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
        if len(np.unique(corners, axis=0)) < 3:
            raise NotAnArea("a polygon needs three different corners")
        if np.linalg.svd(corners, compute_uv=False)[-1] < _ON_A_GREAT_CIRCLE:
            raise NotAnArea("the corners of a polygon lie on one great circle; it has no inside")
        if ((corners @ corners.sum(axis=0)) <= 0.0).any():
            raise NotAnArea("the corners of a polygon lie on more than half of the sky; unite smaller ones")
        following = np.roll(corners, -1, axis=0)
        sines = np.linalg.norm(np.cross(corners, following), axis=1)
        sides = np.degrees(np.arctan2(sines, (corners * following).sum(axis=1)))
        self._count(float(sides.sum()))
        longitude, latitude = self._icrs(frame, corners)
        return polygon_moc(_unit(longitude.to_value("rad"), latitude.to_value("rad")), order=self.order)

    @property
    def margin(self) -> float:
        """Degrees by which a hole is shrunk, so that all cells that it touches lie within the original hole."""
        return 2.0 * self._cell_size

    @property
    def _cell_size(self) -> float:
        """Side of a square of the area of the smallest cell, degrees."""
        return math.degrees(math.sqrt(math.pi / 3.0)) / float(2**self.order)

    def _count(self, border: float) -> None:
        """Count a shape with a border of this length (degrees) against the limits of the region."""
        self._shapes += 1
        if self._shapes > self._limits.region_shapes:
            raise NotAnArea(
                f"the region has more than {self._limits.region_shapes:,} shapes (BROKER_LIMITS__REGION_SHAPES)"
            )
        self._cells += _CELLS_PER_WIDTH * border / self._cell_size
        if self._cells > self._limits.area_cells:
            raise NotAnArea(
                f"the region needs about {self._cells:,.0f} cells at order {self.order}, more than"
                f" {self._limits.area_cells:,} (BROKER_LIMITS__AREA_CELLS); choose a lower order"
            )

    def _icrs(self, frame: str, vectors: Vectors) -> tuple[Longitude, Latitude]:
        """ICRS positions of vectors in a frame."""
        longitude = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360.0
        latitude = np.degrees(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
        if FRAMES[frame] == "icrs":
            return Longitude(longitude, u.deg), Latitude(latitude, u.deg)
        there = SkyCoord(longitude, latitude, unit="deg", frame=FRAMES[frame]).icrs
        return Longitude(there.ra), Latitude(there.dec)


def _vectors(longitude: Sequence[float], latitude: Sequence[float]) -> Vectors:
    """Check positions (degrees) and return their unit vectors."""
    try:
        lon, lat = check_positions(longitude, latitude)
    except ValueError as error:
        raise NotAnArea(str(error)) from error
    if (np.abs(np.asarray(longitude, np.float64)) > 360.0).any():
        raise NotAnArea("a longitude or right ascension of a region is outside [-360, 360] degrees")
    return _unit(np.radians(lon), np.radians(lat))


def _unit(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> Vectors:
    """Unit vectors of angles in radians."""
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=1)


def _direction(centre: Vectors, angle: float) -> Vectors:
    """Tangential unit vectors at positions, towards a position angle (degrees, north through east)."""
    longitude = np.arctan2(centre[:, 1], centre[:, 0])
    east = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros_like(longitude)], axis=1)
    north = np.cross(centre, east)
    return math.cos(math.radians(angle)) * north + math.sin(math.radians(angle)) * east

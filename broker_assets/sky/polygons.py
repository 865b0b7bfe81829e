"""MOCs of polygons on the sphere, made by dividing the base cells along the sides.

The polygons of mocpy 0.17 lose cells, or have some far outside, where a long side runs nearly along a meridian.
"""

from __future__ import annotations

from typing import Final

import cdshealpix
import numpy as np
from mocpy import MOC
from numba import njit
from numpy.typing import NDArray

from broker_assets.sky.cells import DEEPEST

_REACH: Final = 1.05 * np.sqrt(np.pi / 3.0)
"""Radians; times 2^−order it is more than the distance of any corner of a cell from the centre of the cell."""
_DEEPER: Final = 1
"""Additional orders by which cells along the sides are divided, so that fewer cells are included needlessly."""
_OUTSIDE, _ALONG, _INSIDE = 0, 1, 2


def polygon_moc(corners: NDArray[np.float64], *, order: int) -> MOC:
    """The MOC of a polygon with great-circle sides; where sides cross, the even-odd rule says what is inside.

    Parameters
    ----------
    corners : (n, 3) float64 array
        ICRS unit vectors in order, all less than 90 degrees from the direction of their sum; neighbours differ.
    order : int
        Maximum order.

    Returns
    -------
    mocpy.MOC
        All cells that the polygon touches, and some within half a cell of it.

    Examples
    --------
    >>> import astropy.units as u
    >>> polygon_moc(np.eye(3), order=4).contains_lonlat([40.0, 200.0] * u.deg, [20.0, 0.0] * u.deg)
    array([ True, False])
    """
    deepest = min(order + _DEEPER, DEEPEST)
    cells, orders = [np.empty(0, np.uint64)], [np.empty(0, np.uint8)]
    along = np.arange(12, dtype=np.uint64)
    for depth in range(deepest + 1):
        longitude, latitude = cdshealpix.healpix_to_lonlat(along, depth, num_threads=1)
        lon, lat = longitude.to_value("rad"), latitude.to_value("rad")
        centres = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
        places = _places(centres, corners, _REACH / 2**depth)
        taken = along[places == _INSIDE] if depth < deepest else along[places != _OUTSIDE]
        cells.append(taken)
        orders.append(np.full(len(taken), depth, np.uint8))
        along = (4 * along[places == _ALONG][:, None] + np.arange(4, dtype=np.uint64)).ravel()
    moc = MOC.from_healpix_cells(np.concatenate(cells), np.concatenate(orders), max_depth=deepest)
    return moc if deepest == order else moc.degrade_to_order(order)


@njit(cache=True, nogil=True)
def _places(points, corners, reach):  # type: ignore[no-untyped-def]
    """Where points (n, 3) are: within a distance (radians) of a side of a polygon (k, 3), else inside or outside."""
    found = np.zeros(len(points), np.uint8)
    centre = corners.sum(axis=0)
    centre /= np.sqrt((centre * centre).sum())
    # Straight lines of the tangential plane are great circles.
    pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    east = np.cross(pole, centre)
    east /= np.sqrt((east * east).sum())
    north = np.cross(centre, east)
    depth = corners @ centre
    x, y = (corners @ east) / depth, (corners @ north) / depth
    # Planes through the ends of a side, at right angles to it: a point is next to the side if it is between them.
    normal, ahead, back = np.empty_like(corners), np.empty_like(corners), np.empty_like(corners)
    for side in range(len(corners)):
        normal[side] = np.cross(corners[side - 1], corners[side])
        normal[side] /= np.sqrt((normal[side] * normal[side]).sum())
        ahead[side], back[side] = np.cross(normal[side], corners[side - 1]), np.cross(corners[side], normal[side])
    cosine, sine = np.cos(reach), np.sin(min(reach, 0.5 * np.pi))
    for row in range(len(points)):
        point = points[row]
        for side in range(len(corners)):
            beside = abs(_dot(point, normal[side])) <= sine
            beside = beside and _dot(point, ahead[side]) >= 0.0 and _dot(point, back[side]) >= 0.0
            if beside or _dot(point, corners[side]) >= cosine:
                found[row] = _ALONG
                break
        forward = _dot(point, centre)
        if found[row] == _ALONG or forward <= 0.0:
            continue
        px, py = _dot(point, east) / forward, _dot(point, north) / forward
        inside = False
        for side in range(len(x)):
            if (y[side] > py) != (y[side - 1] > py):
                slope = (x[side - 1] - x[side]) / (y[side - 1] - y[side])
                inside ^= px < slope * (py - y[side]) + x[side]
        found[row] = _INSIDE if inside else _OUTSIDE
    return found


@njit(cache=True, nogil=True, inline="always")
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

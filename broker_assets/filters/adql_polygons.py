"""Polygons of ADQL with fixed corners, as arithmetic of PostgreSQL; their area, centroid and cells.

Sides are great circles and a polygon is smaller than half of the sky (IVOA ADQL 2.1, section 4.2). It may be concave;
where sides cross, the even-odd rule decides what is inside, as for the areas of `sky.polygons`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
"""(n, 3) unit vectors, ICRS."""

MOST_VERTICES: Final = 100
_MOST_RANGES: Final = 200
_ORDERS: Final = range(3, 11)
_FEW_SIDES: Final = 8
"""Largest number of sides of a convex polygon for which each side is a separate condition."""
_ROUNDING: Final = 1e-9
_TOUCH: Final = 1e-10
"""Radians, 20 microarcsec: a position nearer to a side than this is on it."""
_SAME: Final = 1e-12
"""Smallest distance of neighbouring vertices, radians."""


class AdqlError(ValueError):
    """A query that is not accepted; the message says why and what to write.

    Attributes
    ----------
    line, column : int
        Place in the query, from 1; 0 if it is not known.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line, self.column = line, column


def polygon(numbers: Sequence[float]) -> Vectors:
    """Corners of a polygon.

    Parameters
    ----------
    numbers : sequence of float
        Right ascension and declination of each corner in turn, ICRS, degrees.

    Returns
    -------
    (n, 3) float64 array

    Raises
    ------
    AdqlError
        If they do not form a polygon.

    Examples
    --------
    >>> polygon([0, 0, 90, 0, 0, 90]).round(3)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    if len(numbers) < 6 or len(numbers) % 2 or len(numbers) > 2 * MOST_VERTICES:
        raise AdqlError(f"a POLYGON has 3 to {MOST_VERTICES} vertices, each right ascension and declination, degrees")
    ra, dec = np.radians(np.asarray(numbers, np.float64).reshape(-1, 2)).T
    if (np.abs(dec) > np.pi / 2).any():
        raise AdqlError("a declination of the POLYGON is not between -90 and 90")
    corners = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    if (np.linalg.norm(np.cross(corners, np.roll(corners, -1, axis=0)), axis=1) < _SAME).any():
        raise AdqlError("two neighbouring vertices of a POLYGON are the same, or opposite")
    if np.linalg.svd(corners, compute_uv=False)[-1] < _SAME:
        raise AdqlError("the vertices of a POLYGON are on one great circle; it has no inside")
    if not _is_convex(corners) and not _in_half_of_the_sky(corners):
        raise AdqlError("this POLYGON reaches over half of the sky; write it as a union of smaller ones: … OR …")
    return corners


def box(ra: float, dec: float, width: float, height: float) -> Vectors:
    """Corners of a box, whose sides cut the axes through its centre at right angles (ADQL 2.1, section 4.2).

    Parameters
    ----------
    ra, dec : float
        Centre, degrees.
    width, height : float
        From west to east and from south to north through the centre, degrees.

    Raises
    ------
    AdqlError
        If a side is not between 0 and 180 degrees, or the declination is not valid.

    Examples
    --------
    >>> corners = box(10, 0, 2, 4)
    >>> np.degrees(np.arcsin(corners[:, 2])).round(4)
    array([-1.9997, -1.9997,  1.9997,  1.9997])
    """
    if not -90 <= dec <= 90:
        raise AdqlError("the declination of a BOX is between -90 and 90")
    if not (0 < width < 180 and 0 < height < 180):
        raise AdqlError("the sides of a BOX are above 0 and below 180 degrees")
    longitude, latitude = math.radians(ra), math.radians(dec)
    east = np.array([-math.sin(longitude), math.cos(longitude), 0.0])
    centre = np.array(
        [math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)]
    )
    aside, up = math.tan(math.radians(width / 2)) * east, math.tan(math.radians(height / 2)) * np.cross(centre, east)
    corners = np.array([centre - aside - up, centre + aside - up, centre + aside + up, centre - aside + up])
    found: Vectors = corners / np.linalg.norm(corners, axis=1, keepdims=True)
    return found


def degrees(corners: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination of corners, degrees."""
    ra = np.degrees(np.arctan2(corners[:, 1], corners[:, 0])) % 360.0
    return ra, np.degrees(np.arcsin(np.clip(corners[:, 2], -1.0, 1.0)))


def holds(corners: Vectors, ra: str, dec: str) -> str:
    """The condition that a position is inside.

    Parameters
    ----------
    corners : (n, 3) float64 array
    ra, dec : str
        SQL expressions, degrees.

    Returns
    -------
    str
        SQL. A position on a side of a convex polygon is inside.

    Examples
    --------
    >>> holds(polygon([0, 0, 90, 0, 0, 90]), "ra", "decl").count(">=")
    3
    """
    normals = _normals(corners)
    if (normals @ corners.T < _ROUNDING).all():  # vertices may be given in either direction
        normals = -normals
    if _is_convex(corners):
        if len(normals) <= _FEW_SIDES:
            return " AND ".join(f"{_product(normal, ra, dec)} >= 0" for normal in normals)
        return _over_sides("BOOL_AND({n} >= 0)", ra, dec, n=normals)
    # Straight lines of the tangential plane are great circles. A line from the position towards the east crosses an odd
    # number of sides: those that have one end above it, and pass it on its right.
    centre, north = _plane(corners)
    heights = (corners @ north) / (corners @ centre)
    start, rises = np.roll(np.arange(len(corners)), 1), heights > np.roll(heights, 1)
    sides = np.cross(corners[start], corners) * np.where(rises, 1.0, -1.0)[:, None]
    above = heights[:, None] * centre - north
    high, low = np.where(rises, np.arange(len(corners)), start), np.where(rises, start, np.arange(len(corners)))
    odd = _over_sides("MOD(COUNT(CASE WHEN {h} > 0 AND {l} <= 0 AND {n} > 0 THEN 1 END), 2) = 1", ra, dec,
                      h=above[high], l=above[low], n=sides)  # fmt: skip
    unknown = f"{ra} IS NULL OR {dec} IS NULL"
    return f"CASE WHEN {unknown} THEN NULL WHEN {_product(centre, ra, dec)} > 0 THEN {odd} ELSE FALSE END"


def touches(corners: Vectors, ra: str, dec: str, radius: str) -> str:
    """The condition that a side is within a distance of a position.

    Parameters
    ----------
    corners : (n, 3) float64 array
    ra, dec, radius : str
        SQL expressions, degrees; the radius is at most 90.
    """
    normals, following = _normals(corners), np.roll(corners, -1, axis=0)
    condition = (
        f"BOOL_OR({{n}} BETWEEN -SIN(RADIANS({radius})) AND SIN(RADIANS({radius})) AND {{f}} >= 0 AND {{b}} >= 0"
        f" OR {{c}} >= COS(RADIANS({radius})))"
    )
    return _over_sides(condition, ra, dec, n=normals, f=np.cross(normals, corners), b=np.cross(following, normals),
                       c=corners)  # fmt: skip


def within(inner: Vectors, outer: Vectors) -> bool:
    """Whether a polygon is inside another one; sides may touch.

    Examples
    --------
    >>> within(polygon([1, 1, 2, 1, 2, 2]), polygon([0, 0, 3, 0, 3, 3, 0, 3]))
    True
    """
    if _cross(inner, outer):
        return False
    # A side between two sides of the other polygon may leave it there: every piece between corners on it is tested.
    starts, ends = inner, np.roll(inner, -1, axis=0)
    looked = [inner]
    for start, end in zip(starts, ends, strict=True):
        touched = outer[_on_side(outer, start, end)]
        along = np.vstack([start, touched[np.argsort(-touched @ start)], end])
        middles = along[1:] + along[:-1]
        lengths = np.linalg.norm(middles, axis=1, keepdims=True)
        looked.append(middles / lengths)
    return bool(_inside(outer, np.concatenate(looked)).all())


def meets(one: Vectors, other: Vectors) -> bool:
    """Whether two polygons have a position in common; touching counts.

    Examples
    --------
    >>> meets(polygon([0, 0, 2, 0, 2, 2]), polygon([1, -1, 3, -1, 1, 3]))
    True
    """
    return bool(_inside(one, other).any() or _inside(other, one).any() or _cross(one, other))


def area(corners: Vectors) -> float:
    """Area of a polygon whose sides do not cross, square degrees: the spherical excess.

    Examples
    --------
    >>> round(area(polygon([0, 0, 90, 0, 0, 90])), 3)
    5156.62
    """
    # Triangles from the first corner, signed (Van Oosterom and Strackee 1983, IEEE Trans. Biomed. Eng. 30, 125).
    first, one, other = corners[0], corners[1:-1], corners[2:]
    triple = np.cross(one, other) @ first
    below = 1 + one @ first + other @ first + (one * other).sum(axis=1)
    return float(abs(2 * np.arctan2(triple, below).sum()) * math.degrees(1) ** 2)


def centroid(corners: Vectors) -> tuple[float, float]:
    """Centroid of a polygon, degrees: the direction of the mean of its positions.

    Examples
    --------
    >>> tuple(round(value, 4) for value in centroid(polygon([0, 0, 90, 0, 0, 90])))
    (45.0, 35.2644)
    """
    # The integral of the position is half the sum of the sides' normals times their lengths (Brock 1975, TICOM 75-3).
    following = np.roll(corners, -1, axis=0)
    lengths = np.arccos(np.clip((corners * following).sum(axis=1), -1, 1))
    mean = (_normals(corners) * lengths[:, None]).sum(axis=0)
    mean = mean if mean @ corners.sum(axis=0) > 0 else -mean
    return float(np.degrees(np.arctan2(mean[1], mean[0])) % 360.0), float(
        np.degrees(np.arctan2(mean[2], np.hypot(mean[0], mean[1])))
    )


def ranges(corners: Vectors) -> tuple[list[int], list[int]] | None:
    """Ranges of the deepest cells that cover a polygon, as fine as their number allows; None if it is too wide.

    Returns
    -------
    tuple of lists, or None
        First cells, and the ones after the last.
    """
    from broker_assets.sky.polygons import polygon_moc

    if not _in_half_of_the_sky(corners):
        return None
    found = None
    for order in _ORDERS:
        cells = np.asarray(polygon_moc(corners, order=order).to_depth29_ranges).astype(np.int64)
        if len(cells) > _MOST_RANGES:
            break
        found = cells
    return None if found is None else (found[:, 0].tolist(), found[:, 1].tolist())


def _normals(corners: Vectors) -> Vectors:
    """Poles of the sides, each from a corner to the next."""
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    found: Vectors = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return found


def _inside(corners: Vectors, positions: Vectors) -> NDArray[np.bool_]:
    """Which positions are inside a polygon or on a side; the same rule as in `holds`."""
    following = np.roll(corners, -1, axis=0)
    found = np.zeros(len(positions), bool)
    for start, end in zip(corners, following, strict=True):
        found |= _on_side(positions, start, end)
    normals = _normals(corners)
    if _is_convex(corners):
        normals = -normals if (normals @ corners.T < _ROUNDING).all() else normals
        return np.asarray(found | (positions @ normals.T >= 0).all(axis=1))
    centre, north = _plane(corners)
    east = np.cross(north, centre)
    ahead = positions @ centre
    safe = np.where(ahead > 0, ahead, 1.0)
    x, y = (positions @ east) / safe, (positions @ north) / safe
    one, two = (np.column_stack([at @ east, at @ north]) / (at @ centre)[:, None] for at in (corners, following))
    above, beyond = one[:, 1] > y[:, None], two[:, 1] > y[:, None]
    slope = np.where(above != beyond, two[:, 1] - one[:, 1], 1.0)
    at_x = one[:, 0] + (y[:, None] - one[:, 1]) / slope * (two[:, 0] - one[:, 0])
    odd = ((above != beyond) & (x[:, None] < at_x)).sum(axis=1) % 2 == 1
    return np.asarray(found | (odd & (ahead > 0)))


def _on_side(positions: Vectors, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which positions are on a side, its ends included."""
    normal = np.cross(start, end)
    normal /= np.linalg.norm(normal)
    between = (positions @ np.cross(normal, start) >= -_TOUCH) & (positions @ np.cross(end, normal) >= -_TOUCH)
    return np.asarray((np.abs(positions @ normal) <= _TOUCH) & between)


def _cross(one: Vectors, other: Vectors) -> bool:
    """Whether a side of a polygon crosses one of another; touching does not count."""
    first, second = _normals(one), _normals(other)
    sides = [(np.cross(normals, at), np.cross(np.roll(at, -1, axis=0), normals))
             for normals, at in ((first, one), (second, other))]  # fmt: skip
    meeting = np.cross(first[:, None], second[None])
    lengths = np.linalg.norm(meeting, axis=2)
    meeting /= np.where(lengths > _TOUCH, lengths, 1.0)[:, :, None]
    for sign in (1.0, -1.0):
        at = sign * meeting
        through = lengths > _TOUCH
        for vectors, letters in ((sides[0], "i"), (sides[1], "j")):
            for vector in vectors:
                through &= np.einsum(f"ijk,{letters}k->ij", at, vector) > _TOUCH
        if through.any():
            return True
    return False


def _is_convex(corners: Vectors) -> bool:
    """Whether all corners are on the same side of every edge, and none is on all edges."""
    sides = _normals(corners) @ corners.T
    sides = -sides if (sides < _ROUNDING).all() else sides
    return bool((sides > -_ROUNDING).all() and (sides.max(axis=0) >= _ROUNDING).all())


def _in_half_of_the_sky(corners: Vectors) -> bool:
    total = corners.sum(axis=0)
    return bool((corners @ total > _ROUNDING).all())


def _plane(corners: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The point at which a tangential plane touches the sphere, and a direction in it."""
    centre = corners.sum(axis=0) / np.linalg.norm(corners.sum(axis=0))
    east = np.cross([0.0, 0.0, 1.0] if abs(centre[2]) < 0.9 else [1.0, 0.0, 0.0], centre)
    return centre, np.cross(centre, east / np.linalg.norm(east))


def _over_sides(condition: str, ra: str, dec: str, **sides: Vectors) -> str:
    """A condition over all sides of a polygon; names in braces are products of a side's vector and the position."""
    arrays, names = [], []
    products = {}
    for name, vectors in sides.items():
        for axis, values in zip("xyz", vectors.T.tolist(), strict=True):
            numbers = ",".join(map(repr, values))
            arrays.append(f"CAST('{{{numbers}}}' AS DOUBLE PRECISION[])")
            names.append(f"{name}{axis}")
        products[name] = f"({name}x * x + {name}y * y + {name}z * z)"
    # Names of columns in the query cannot clash with ours: its expressions are evaluated where only its tables are
    # visible.
    position = (
        f"SELECT COS(RADIANS({dec})) * COS(RADIANS({ra})) AS x, COS(RADIANS({dec})) * SIN(RADIANS({ra})) AS y,"
        f" SIN(RADIANS({dec})) AS z"
    )
    return (
        f"(SELECT {condition.format(**products)} FROM ({position}) AS position,"  # noqa: S608
        f" UNNEST({', '.join(arrays)}) AS side({', '.join(names)}))"
    )


def _product(vector: NDArray[np.float64], ra: str, dec: str) -> str:
    """Scalar product of a vector and the direction of a position."""
    x, y, z = vector.tolist()
    return (
        f"({x!r} * COS(RADIANS({dec})) * COS(RADIANS({ra})) + {y!r} * COS(RADIANS({dec})) * SIN(RADIANS({ra}))"
        f" + {z!r} * SIN(RADIANS({dec})))"
    )

"""HTM trixels: the index of positions known to Lasair users as `htm16`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.sky.separation import check_positions

_VERTICES = np.array(
    [[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]],
    dtype=np.float64,
)
_ROOTS = np.array(
    [[1, 5, 2], [2, 5, 3], [3, 5, 4], [4, 5, 1], [1, 0, 4], [4, 0, 3], [3, 0, 2], [2, 0, 1]], dtype=np.int64
)


def htm(ra: ArrayLike, dec: ArrayLike, *, level: int = 16) -> NDArray[np.int64]:
    """HTM trixels of positions.

    Parameters
    ----------
    ra, dec : (n,) float array
        ICRS position, degrees.
    level : int
        0 to 29; each level divides a trixel into four.

    Returns
    -------
    (n,) int64 array
        Trixel numbers, the eight roots being 8 to 15.

    Raises
    ------
    ValueError
        If a position or the level is invalid.

    Notes
    -----
    Kunszt, Szalay & Thakar 2001, "The Hierarchical Triangular Mesh", in Mining the Sky (ESO), p. 631.

    Examples
    --------
    >>> htm([9.057050050707765, 53.090594], [-44.117973609689805, -29.651906])
    array([38173659759, 38585371763])
    """
    if not 0 <= level <= 29:
        raise ValueError(f"level {level} is not between 0 and 29")
    longitude, latitude = check_positions(ra, dec)
    return np.asarray(_trixels(np.radians(longitude), np.radians(latitude), level, _VERTICES, _ROOTS))


@njit(cache=True, inline="always")
def _side(a, b, p):  # type: ignore[no-untyped-def]
    """Side of the great circle from a to b on which point p lies: the sign of (a × b) · p."""
    return (a[1] * b[2] - a[2] * b[1]) * p[0] + (a[2] * b[0] - a[0] * b[2]) * p[1] + (a[0] * b[1] - a[1] * b[0]) * p[2]


@njit(cache=True, inline="always")
def _middle(a, b, out):  # type: ignore[no-untyped-def]
    x, y, z = a[0] + b[0], a[1] + b[1], a[2] + b[2]
    length = np.sqrt(x * x + y * y + z * z)
    out[0], out[1], out[2] = x / length, y / length, z / length


@njit(cache=True, nogil=True)
def _trixels(ra, dec, level, vertices, roots):  # type: ignore[no-untyped-def]
    result = np.zeros(len(ra), np.int64)
    corner = np.empty((3, 3))
    middle = np.empty((3, 3))
    point = np.empty(3)
    for row in range(len(ra)):
        point[0] = np.cos(dec[row]) * np.cos(ra[row])
        point[1] = np.cos(dec[row]) * np.sin(ra[row])
        point[2] = np.sin(dec[row])
        # the root in which the point lies deepest, so that rounding at an edge cannot exclude all of them
        best, number = -np.inf, 0
        for root in range(8):
            depth = np.inf
            for edge in range(3):
                side = _side(vertices[roots[root, edge]], vertices[roots[root, (edge + 1) % 3]], point)
                depth = min(depth, side)
            if depth > best:
                best, number = depth, root
        for edge in range(3):
            corner[edge] = vertices[roots[number, edge]]
        trixel = np.int64(8 + number)
        for _ in range(level):
            _middle(corner[1], corner[2], middle[0])
            _middle(corner[0], corner[2], middle[1])
            _middle(corner[0], corner[1], middle[2])
            if _side(middle[2], middle[1], point) > 0.0:
                child = 0
                corner[1], corner[2] = middle[2], middle[1]
            elif _side(middle[0], middle[2], point) > 0.0:
                child = 1
                corner[0], corner[1], corner[2] = corner[1].copy(), middle[0], middle[2]
            elif _side(middle[1], middle[0], point) > 0.0:
                child = 2
                corner[0], corner[1], corner[2] = corner[2].copy(), middle[1], middle[0]
            else:
                child = 3
                corner[0], corner[1], corner[2] = middle[0], middle[1], middle[2]
            trixel = 4 * trixel + child
        result[row] = trixel
    return result

"""Objects of the database near a position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from broker_assets.sky.cells import DEEPEST
from broker_assets.sky.separation import separation

LARGEST: Final = 10.0 * 3600.0
"""Radius of a cone at most, arcsec."""
_FINEST: Final = 24
"""HEALPix order of the cells of the smallest cones; a cell is 12 mas wide."""
_NEAR: Final = (
    "SELECT diaobjectid, ra, decl FROM unnest(%s::bigint[], %s::bigint[]) AS range (low, high)"
    " JOIN objects ON healpix >= low AND healpix < high WHERE ra IS NOT NULL AND decl IS NOT NULL"
)


class BadCone(ValueError):
    """A position or a radius is not possible; the message says why."""


@dataclass(frozen=True)
class Near:
    """Objects in a cone, the nearest first."""

    diaobjectid: NDArray[np.int64]
    """(n,) ids."""
    arcsec: NDArray[np.float64]
    """(n,) true distances on the sphere from the centre, arcsec."""

    def __len__(self) -> int:
        return len(self.diaobjectid)


def objects_near(connection: psycopg.Connection[Any], ra: float, dec: float, radius: float) -> Near:
    """Objects whose newest position lies in a cone.

    Parameters
    ----------
    connection : psycopg.Connection
        Of any role that may read `objects`.
    ra, dec : float
        Centre, ICRS, degrees.
    radius : float
        Radius, arcsec; objects at exactly this distance are in it.

    Returns
    -------
    Near

    Raises
    ------
    BadCone
        If right ascension is not between 0 and 360°, declination not between −90 and 90°, or the radius not between 0
        and 10°.
    """
    for name, value, least, most in (
        ("ra", ra, 0.0, 360.0), ("dec", dec, -90.0, 90.0), ("radius", radius, 0.0, LARGEST),
    ):  # fmt: skip
        if not least <= value <= most:  # NaN is refused as well
            raise BadCone(f"{name} is {value:g}; it must be between {least:g} and {most:g}")
    low, high = cone_ranges(ra, dec, radius)
    rows = connection.execute(_NEAR, (low.tolist(), high.tolist())).fetchall()
    if not rows:
        return Near(np.empty(0, np.int64), np.empty(0))
    identifiers, ras, decs = (np.array(column) for column in zip(*rows, strict=True))
    distance = separation(ra, dec, ras, decs)
    order = np.lexsort((identifiers, distance))
    order = order[distance[order] <= radius]
    return Near(identifiers[order].astype(np.int64), distance[order])


def cone_ranges(ra: float, dec: float, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open ranges of cells of order 29 that cover a cone: a few dozen, whatever its size.

    Parameters
    ----------
    ra, dec : float
        Centre, ICRS, degrees.
    radius : float
        Radius, arcsec.

    Returns
    -------
    low, high : (n,) int64 arrays
        First cell of each range, and the one after its last; ascending and disjoint.
    """
    import astropy.units as u
    from astropy.coordinates import Latitude, Longitude
    from cdshealpix.nested import cone_search

    # A cell of order k is about 58.6 degrees / 2^k wide: some eight of them across the cone.
    width = max(radius, 0.001) / 3600.0
    order = int(np.clip(np.ceil(np.log2(58.6 / width)) + 1, 3, _FINEST))
    # A margin of a millionth, so that rounding at the edge loses none.
    cells, orders, _ = cone_search(
        Longitude(ra % 360.0, u.deg), Latitude(dec, u.deg), max(width * 1.000001, 1e-9) * u.deg, depth=order
    )
    shift = 2 * (DEEPEST - orders.astype(np.int64))
    low = cells.astype(np.int64) << shift
    high = low + (np.int64(1) << shift)
    place = np.argsort(low)
    low, high = low[place], high[place]
    first = np.append(True, low[1:] > high[:-1])
    return low[first], high[np.append(np.flatnonzero(first)[1:] - 1, len(high) - 1)]

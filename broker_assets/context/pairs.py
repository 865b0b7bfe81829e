"""Pairs of positions and catalogue sources within a radius, by zones of declination.

The sources are ordered by zone and right ascension; a position looks into the zones that its circle touches, and there
at the sources between two right ascensions (Gray, Nieto-Santisteban and Szalay 2006, The Zones Algorithm,
MSR-TR-2006-52).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from broker_assets.sky.separation import ARCSEC_PER_RADIAN, haversine

LOWEST_ZONE = 4.0
"""Least height of a zone, arcseconds; lower ones would be mostly empty."""


@dataclass(frozen=True)
class Zones:
    """Sources in the order of zones; made by `zones`."""

    radius: float
    """Arcseconds; positions find all sources that are closer."""
    height: float
    """Height of a zone, degrees."""
    source: NDArray[np.int64]
    """(n,) place of each source in the catalogue."""
    ra: NDArray[np.float64]
    """(n,) ICRS, degrees, ascending in each zone."""
    dec: NDArray[np.float64]
    """(n,) ICRS, degrees."""
    zone: NDArray[np.int64]
    """(m,) the zones that have sources, ascending."""
    begin: NDArray[np.int64]
    """(m + 1,) the first source of each zone."""


@dataclass(frozen=True)
class Pairs:
    """Pairs, by position and then by separation; (n,) arrays."""

    position: NDArray[np.int64]
    source: NDArray[np.int64]
    separation: NDArray[np.float64]
    """Arcseconds."""


def zones(
    ra: NDArray[np.float64], dec: NDArray[np.float64], radius: float, rows: NDArray[np.int64] | None = None
) -> Zones:
    """Order sources for searches with a radius.

    Parameters
    ----------
    ra, dec : (n,) float64 arrays
        ICRS, degrees; `ra` in [0, 360).
    radius : float
        Arcseconds, less than 20 degrees.
    rows : (m,) int64 array, optional
        Places of the sources to be searched; all if not given.
    """
    if rows is not None:
        ra, dec = ra[rows], dec[rows]
    height = max(radius, LOWEST_ZONE) / 3600.0
    number = np.floor((dec + 90.0) / height).astype(np.int64)
    order = np.lexsort((ra, number))
    ordered = number[order]
    begin = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, int)
    return Zones(
        radius,
        height,
        order if rows is None else rows[order],
        ra[order],
        dec[order],
        ordered[begin],
        np.append(begin, len(ordered)).astype(np.int64),
    )


def pairs(found: Zones, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Pairs:
    """Find all sources within the radius of each position.

    Parameters
    ----------
    found : Zones
        The sources.
    ra, dec : (m,) float64 arrays
        ICRS, degrees; `ra` in [0, 360).
    """
    if not len(found.source) or not len(ra):
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    # Columns of a matrix would be compiled for on their own.
    ra, dec = np.ascontiguousarray(ra), np.ascontiguousarray(dec)
    arguments = (ra, dec, found.radius, found.height, found.ra, found.dec, found.zone, found.begin)
    capacity = 2 * len(ra) + 16
    while True:
        position, source, separation, number = _search(capacity, *arguments)
        if number <= capacity:
            break
        capacity = number
    position, source, separation = position[:number], source[:number], separation[:number]
    order = np.lexsort((separation, position))
    return Pairs(position[order], found.source[source[order]], separation[order])


@njit(nogil=True, cache=True)
def _search(capacity, ra, dec, radius, height, source_ra, source_dec, zone, begin):  # type: ignore[no-untyped-def]
    position = np.empty(capacity, np.int64)
    source = np.empty(capacity, np.int64)
    separation = np.empty(capacity, np.float64)
    number = 0
    degrees = radius / 3600.0
    limit = np.sin(np.radians(degrees) / 2.0) ** 2
    for one in range(ra.size):
        low, high = dec[one] - degrees, dec[one] + degrees
        # Half the extent of a circle in right ascension; all of it if the circle contains a pole.
        if high >= 90.0 or low <= -90.0:
            width = 180.0
        else:
            sine = np.sin(np.radians(degrees)) / np.cos(np.radians(dec[one]))
            width = np.degrees(np.arcsin(min(sine, 1.0))) * (1.0 + 1e-9) + 1e-9
        first = np.searchsorted(zone, np.int64(np.floor((low + 90.0) / height)))
        last = np.int64(np.floor((high + 90.0) / height))
        at = first
        while at < zone.size and zone[at] <= last:
            row, end = begin[at], begin[at + 1]
            for turn in range(3):
                # Around right ascension 0 the interval continues at the other end.
                shift = (turn - 1) * 360.0
                west, east = ra[one] - width + shift, ra[one] + width + shift
                if width >= 180.0:
                    if turn != 1:
                        continue
                    west, east = -1.0, 361.0
                if east < 0.0 or west >= 360.0:
                    continue
                place = row + np.searchsorted(source_ra[row:end], west)
                while place < end and source_ra[place] <= east:
                    found = haversine(
                        np.radians(ra[one]), np.radians(dec[one]), np.radians(source_ra[place]),
                        np.radians(source_dec[place]),
                    )  # fmt: skip
                    if found <= limit:
                        if number < capacity:
                            position[number], source[number] = one, place
                            separation[number] = 2.0 * np.arcsin(np.sqrt(found)) * ARCSEC_PER_RADIAN
                        number += 1
                    place += 1
            at += 1
    return position, source, separation, number

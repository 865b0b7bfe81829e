"""HEALPix cells of several orders in one sorted array, looked up by position.

An index maps cells to entries (a cone, an area). A cell is represented by its NUNIQ number ``4·4^order + pixel``
(IVOA MOC 2.0, section 4.3.2), so one sorted array contains all orders and a position is looked up once for each order
that occurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import astropy.units as u
import cdshealpix
import numpy as np
from astropy.coordinates import Latitude, Longitude
from numba import njit
from numpy.typing import NDArray

DEEPEST = 29
"""Deepest HEALPix order that fits a 64-bit integer."""


def cells_at(ra: NDArray[np.float64], dec: NDArray[np.float64], order: int = DEEPEST) -> NDArray[np.int64]:
    """HEALPix nested pixels of positions.

    Parameters
    ----------
    ra, dec : (n,) float64 array
        ICRS position, degrees.
    order : int
        HEALPix order, 0 to 29.

    Returns
    -------
    (n,) int64 array
        Pixel numbers in the nested scheme (Górski et al. 2005, ApJ 622, 759).

    Examples
    --------
    >>> cells_at(np.array([0.0, 180.0]), np.array([90.0, -90.0]), order=0)
    array([ 0, 10])
    """
    pixels = cdshealpix.lonlat_to_healpix(
        Longitude(ra, u.deg, copy=False), Latitude(dec, u.deg, copy=False), order, num_threads=1
    )
    return np.asarray(pixels).astype(np.int64)


@njit(cache=True, inline="always")
def _even_bits(value):  # type: ignore[no-untyped-def]
    """Compact every second bit, starting from the lowest."""
    value &= 0x5555555555555555
    value = (value | (value >> 1)) & 0x3333333333333333
    value = (value | (value >> 2)) & 0x0F0F0F0F0F0F0F0F
    value = (value | (value >> 4)) & 0x00FF00FF00FF00FF
    value = (value | (value >> 8)) & 0x0000FFFF0000FFFF
    return (value | (value >> 16)) & 0x00000000FFFFFFFF


@njit(cache=True)
def cell_centre(order, pixel):  # type: ignore[no-untyped-def]
    """Centre of a nested HEALPix pixel (right ascension and declination, radians), for compiled loops.

    Notes
    -----
    Górski et al. 2005, ApJ 622, 759, sections 4 and 5. The library's function works on whole arrays from Python; in a
    loop over cones it would need an array of the nine cells of every cone.
    """
    side = np.int64(1) << order
    face = pixel >> (2 * order)
    within = pixel & ((np.int64(1) << (2 * order)) - 1)
    x, y = _even_bits(within), _even_bits(within >> 1)
    ring = (face // 4 + 2) * side - x - y - 1
    column = 2 * (face % 4) + 1 if face // 4 != 1 else 2 * (face % 4)
    if ring < side or ring > 3 * side:
        from_pole = ring if ring < side else 4 * side - ring
        from_axis = 2.0 * np.arcsin(from_pole / (np.sqrt(6.0) * side))  # arcsin(z) would lose precision at the pole
        dec = (0.5 * np.pi - from_axis) * (1.0 if ring < side else -1.0)
    else:
        from_pole = side
        dec = np.arcsin(2.0 * (2 * side - ring) / (3.0 * side))
    ra = 0.25 * np.pi * (column + (x - y) / from_pole)
    return (ra if ra >= 0.0 else ra + 2.0 * np.pi), dec


def unique_cell(order: int | NDArray[np.int64], pixel: NDArray[np.int64]) -> NDArray[np.int64]:
    """NUNIQ number of pixels of an order (or of one order each).

    Examples
    --------
    >>> unique_cell(1, np.array([0, 47]))
    array([16, 63])
    """
    result: NDArray[np.int64] = (np.int64(4) << (2 * np.asarray(order, dtype=np.int64))) + pixel
    return result


def order_of(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """HEALPix order of NUNIQ numbers.

    Examples
    --------
    >>> order_of(np.array([4, 15, 16, 63, 64]))
    array([0, 0, 1, 1, 2])
    """
    # floor(log2) through frexp: exact for integers below 2**53; above, a number just under a power of two could round
    # up to it, which the comparison undoes.
    order = (np.frexp(cell.astype(np.float64))[1].astype(np.int64) - 1) // 2 - 1
    return order - ((np.int64(4) << (2 * order)) > cell)


@dataclass(frozen=True, eq=False)
class CellIndex:
    """Cells with their entries, sorted by cell."""

    cell: NDArray[np.int64]
    """(m,) NUNIQ numbers, ascending; a cell may occur several times."""
    entry: NDArray[np.int32]
    """(m,) what lies in the cell: a row of the table that the index belongs to."""

    @cached_property
    def orders(self) -> NDArray[np.int64]:
        """Orders that occur, ascending."""
        bounds = np.searchsorted(self.cell, np.int64(4) << (2 * np.arange(DEEPEST + 2, dtype=np.int64)[:-1]))
        counts = np.diff(np.append(bounds, len(self.cell)))
        return np.flatnonzero(counts).astype(np.int64)

    @classmethod
    def of(cls, cell: NDArray[np.int64], entry: NDArray[np.integer]) -> CellIndex:
        """Sort cells and their entries into an index.

        Parameters
        ----------
        cell : (m,) int64 array
            NUNIQ numbers, in any order.
        entry : (m,) integer array
            Row of the entry that touches the cell.
        """
        order = np.argsort(cell, kind="stable")
        return cls(np.ascontiguousarray(cell[order]), np.ascontiguousarray(entry[order].astype(np.int32)))

    def replaced(
        self, keep: NDArray[np.bool_], renumbered: NDArray[np.int32], cell: NDArray[np.int64], entry: NDArray[np.int32]
    ) -> CellIndex:
        """A new index with some entries removed and others added.

        Parameters
        ----------
        keep : (rows,) bool array
            Entries (by number) to keep.
        renumbered : (rows,) int32 array
            New number of each kept entry.
        cell, entry : (k,) arrays
            Cells to add and their entries, in the new numbering; in any order.

        Notes
        -----
        Copies and merges in one pass, without sorting the kept entries again.
        """
        order = np.argsort(cell, kind="stable")
        merged = _merge(self.cell, self.entry, keep, renumbered, cell[order], entry[order].astype(np.int32))
        return CellIndex(*merged)


@njit(cache=True, nogil=True)
def _merge(cell, entry, keep, renumbered, new_cell, new_entry):  # type: ignore[no-untyped-def]
    """Kept entries, renumbered, and new ones, in the order of their cells."""
    merged_cell = np.empty(len(cell) + len(new_cell), np.int64)
    merged_entry = np.empty(len(cell) + len(new_cell), np.int32)
    size = new = 0
    for old in range(len(cell)):
        if not keep[entry[old]]:
            continue
        while new < len(new_cell) and new_cell[new] < cell[old]:
            merged_cell[size], merged_entry[size] = new_cell[new], new_entry[new]
            size += 1
            new += 1
        merged_cell[size], merged_entry[size] = cell[old], renumbered[entry[old]]
        size += 1
    while new < len(new_cell):
        merged_cell[size], merged_entry[size] = new_cell[new], new_entry[new]
        size += 1
        new += 1
    return merged_cell[:size], merged_entry[:size]

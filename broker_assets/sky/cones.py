"""Cones of all watchlists in one index, and matching positions with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cdshealpix
import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.sky.cells import DEEPEST, CellIndex, cell_centre, cells_at, unique_cell
from broker_assets.sky.separation import ARCSEC_PER_RADIAN, check_positions, haversine
from broker_assets.sky.windows import NO_WINDOWS, TimeWindows

CONE_INDEX_VERSION = "2"

REACH = 0.1
"""A cone of radius r ≤ REACH / 2^k (rad) with its centre in a cell of order k lies within that cell and its neighbours.

The narrowest HEALPix cell is about 0.69 / 2^k wide (sampled down to order 7), so 0.3 would be enough; with wider cells
than necessary, a cone touches fewer of them.
"""
DEEPEST_CONE_ORDER = 14
"""Deepest order of the index: cells of 13″. Smaller ones would cost memory and not help cones of a few arcsec."""


@dataclass(frozen=True)
class ConeHits:
    """Pairs of a position and a cone that contains it."""

    position: NDArray[np.int64]
    """(m,) row of the positions, ascending."""
    cone: NDArray[np.int64]
    """(m,) row of the index, ascending within a position."""
    separation: NDArray[np.float64]
    """(m,) great-circle separation, arcsec."""

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True, eq=False)
class ConeIndex:
    """Cones, and the HEALPix cells that each of them touches."""

    ra: NDArray[np.float64]
    """(n,) centre, ICRS, degrees, in [0, 360)."""
    dec: NDArray[np.float64]
    """(n,) centre, ICRS, degrees."""
    radius: NDArray[np.float64]
    """(n,) radius, arcsec; the rim is part of the cone."""
    watchlist: NDArray[np.int64]
    """(n,) id of the watchlist."""
    cone: NDArray[np.int64]
    """(n,) id of the cone."""
    name: pa.StringArray
    """(n,) name of the cone, or null."""
    cells: CellIndex
    """Cells touched, and the row of the cone that touches them."""
    windows: TimeWindows = NO_WINDOWS
    """When cones hold that do not hold always."""

    def __len__(self) -> int:
        return len(self.ra)

    @cached_property
    def version(self) -> str:
        """Hash of the content; the order of the cones does not matter."""
        first, second = cone_checksum(self.watchlist, self.cone, self.ra, self.dec, self.radius, self.name)
        if len(self.windows):
            more = window_checksum(self.cone, self.windows)
            first, second = ((total + part) % 2**64 for total, part in zip((first, second), more, strict=True))
        return f"{len(self):x}-{first:016x}{second:016x}"


def cell_radius(order: int) -> float:
    """Largest distance from the centre of a cell to one of its corners.

    Parameters
    ----------
    order : int
        HEALPix order.

    Returns
    -------
    float
        Radians.

    Notes
    -----
    The widest cell touches the border z = 2/3 between cap and belt (Górski et al. 2005, ApJ 622, 759, section 5).

    Examples
    --------
    >>> round(float(np.degrees(cell_radius(8))), 5)
    0.23907
    """
    side = 2**order
    longitude = np.pi / (4 * side)
    z = 1.0 - (1.0 - 1.0 / side) ** 2 / 3.0
    first = np.array([np.sqrt(5.0) / 3.0 * np.cos(longitude), np.sqrt(5.0) / 3.0 * np.sin(longitude), 2.0 / 3.0])
    second = np.array([np.sqrt(1.0 - z * z), 0.0, z])
    return float(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second))


_CELL_RADII = np.array([cell_radius(order) for order in range(DEEPEST_CONE_ORDER + 1)])


def cells_of_cones(
    ra: NDArray[np.float64], dec: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Every HEALPix cell that a cone may touch, at an order that suits its radius.

    Parameters
    ----------
    ra, dec : (n,) float64 array
        Centres, ICRS, degrees.
    radius : (n,) float64 array
        Radii, arcsec.

    Returns
    -------
    cell : (m,) int64 array
        NUNIQ numbers; no cell is missing, occasionally there is one too many.
    entry : (m,) int32 array
        Row of the cone.
    """
    reach = np.maximum(radius / ARCSEC_PER_RADIAN, REACH / 2.0**DEEPEST_CONE_ORDER)
    order = np.clip(np.floor(np.log2(REACH / reach)), -1, DEEPEST_CONE_ORDER).astype(np.int64)
    cells: list[NDArray[np.int64]] = []
    entries: list[NDArray[np.int32]] = []
    for level in np.unique(order):
        rows = np.flatnonzero(order == level).astype(np.int32)
        if level < 0:  # wider than a base cell can guarantee: use all twelve
            touched = np.broadcast_to(np.arange(12, dtype=np.int64), (len(rows), 12)).copy()
            level = np.int64(0)
        else:
            centre = cells_at(ra[rows], dec[rows], int(level)).astype(np.uint64)
            touched = np.asarray(cdshealpix.neighbours(centre, int(level), num_threads=1)).astype(np.int64)
        keep = _touching(
            np.radians(ra[rows]),
            np.radians(dec[rows]),
            radius[rows] / ARCSEC_PER_RADIAN + _CELL_RADII[level] + 1e-9,
            touched,
            level,
        )
        row, column = np.nonzero(keep)
        cells.append(unique_cell(int(level), touched[row, column]))
        entries.append(rows[row])
    if not cells:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    return np.concatenate(cells), np.concatenate(entries)


@njit(cache=True, nogil=True)
def _touching(ra, dec, limit, pixel, order):  # type: ignore[no-untyped-def]
    """Which of the cells around each cone come within `limit` (rad) of its centre; −1 means no cell."""
    keep = np.zeros(pixel.shape, np.bool_)
    for row in range(pixel.shape[0]):
        # beyond a hemisphere the haversine is no longer monotonic in this bound: keep all
        bound = 1.0 if limit[row] >= np.pi else np.sin(0.5 * limit[row]) ** 2
        for column in range(pixel.shape[1]):
            if pixel[row, column] >= 0:  # a corner of a base cell has seven neighbours; the eighth is −1
                cell_ra, cell_dec = cell_centre(order, pixel[row, column])
                keep[row, column] = haversine(ra[row], dec[row], cell_ra, cell_dec) <= bound
    return keep


def build_cone_index(
    ra: ArrayLike,
    dec: ArrayLike,
    radius: ArrayLike,
    *,
    watchlist: ArrayLike | None = None,
    cone: ArrayLike | None = None,
    name: pa.StringArray | None = None,
    windows: TimeWindows = NO_WINDOWS,
) -> ConeIndex:
    """Index cones for `match_cones`.

    Parameters
    ----------
    ra, dec : (n,) float array
        Centres, ICRS, degrees.
    radius : (n,) float array
        Radii, arcsec, above 0 and at most 180°.
    watchlist, cone : (n,) int array, optional
        Ids of the list and of the cone; default: 0 and the row number.
    name : (n,) Arrow string array, optional
        Names.
    windows : TimeWindows
        When cones hold that do not hold always.

    Returns
    -------
    ConeIndex

    Raises
    ------
    ValueError
        If a position or radius is invalid; the message names the first such row.

    Examples
    --------
    >>> index = build_cone_index([10.0, 350.0], [0.0, 89.99], [3.0, 60.0])
    >>> len(index)
    2
    """
    longitude, latitude = check_positions(ra, dec)
    radii = np.ascontiguousarray(np.atleast_1d(np.asarray(radius, dtype=np.float64)))
    if radii.shape != longitude.shape:
        raise ValueError(f"{len(radii)} radii for {len(longitude)} cones")
    bad = ~((radii > 0.0) & (radii <= 180.0 * 3600.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"radius of cone {row} is not between 0 and 180 degrees: {radii[row]} arcsec")
    count = len(longitude)
    cells, entries = cells_of_cones(longitude, latitude, radii)
    return ConeIndex(
        longitude,
        latitude,
        radii,
        np.zeros(count, np.int64) if watchlist is None else np.asarray(watchlist, dtype=np.int64),
        np.arange(count, dtype=np.int64) if cone is None else np.asarray(cone, dtype=np.int64),
        pa.nulls(count, pa.string()) if name is None else name,
        CellIndex.of(cells, entries),
        windows,
    )


def update_cone_index(index: ConeIndex, *, removed: NDArray[np.bool_], added: ConeIndex) -> ConeIndex:
    """The index after some cones were removed and others added, at the cost of the change and of one copy.

    Parameters
    ----------
    index : ConeIndex
        The current index.
    removed : (n,) bool array
        Cones to remove.
    added : ConeIndex
        Cones to add, in an index of their own.

    Returns
    -------
    ConeIndex
        Remaining cones in their order, then the added ones.

    Raises
    ------
    ValueError
        If `removed` does not have a value for each cone of the index.

    Examples
    --------
    >>> index = build_cone_index([10.0, 20.0], [0.0, 0.0], [3.0, 3.0])
    >>> other = build_cone_index([30.0], [0.0], [3.0])
    >>> update_cone_index(index, removed=np.array([True, False]), added=other).ra
    array([20., 30.])
    """
    if removed.shape != index.ra.shape:
        raise ValueError(f"`removed` has {len(removed)} rows, the index {len(index)}")
    keep = ~removed
    renumbered = (np.cumsum(keep) - 1).astype(np.int32)
    stay = slice(None) if keep.all() else keep
    names = index.name if keep.all() else index.name.filter(pa.array(keep))
    first_new = int(keep.sum())
    return ConeIndex(
        np.concatenate([index.ra[stay], added.ra]),
        np.concatenate([index.dec[stay], added.dec]),
        np.concatenate([index.radius[stay], added.radius]),
        np.concatenate([index.watchlist[stay], added.watchlist]),
        np.concatenate([index.cone[stay], added.cone]),
        pa.concat_arrays([names, added.name]),
        index.cells.replaced(keep, renumbered, added.cells.cell, added.cells.entry + np.int32(first_new)),
        index.windows.replaced(keep, added.windows),
    )


def match_cones(
    index: ConeIndex,
    ra: ArrayLike,
    dec: ArrayLike,
    *,
    mjd: NDArray[np.float64] | None = None,
    chunk: int = 65_536,
) -> ConeHits:
    """Find every cone that contains each position.

    Parameters
    ----------
    index : ConeIndex
        See `build_cone_index`.
    ra, dec : (n,) float64 array
        ICRS position, degrees.
    mjd : (n,) float64 array, optional
        Time of each, MJD TAI: a cone with a time window contains a position only within the window. Default: windows
        are ignored.
    chunk : int
        Positions matched at a time; bounds memory, not the result.

    Returns
    -------
    ConeHits
        `position` (m,) int64 row in `ra`; `cone` (m,) int64 row in `index`; `separation` (m,) float64 arcsec, great
        circle.

    Raises
    ------
    ValueError
        If a declination is outside [-90, 90] or a value is not finite; the message names the first such row.

    Examples
    --------
    >>> hits = match_cones(build_cone_index([359.9999], [0.0], [5.0]), [0.0001], [0.0])
    >>> hits.separation.round(2)
    array([0.72])
    """
    longitude, latitude = check_positions(ra, dec)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    capacity = 1024
    for start in range(0, len(longitude), chunk):
        part = slice(start, start + chunk)
        deepest = cells_at(longitude[part], latitude[part])
        first = 0
        while first < len(deepest):
            position, cone, separation, size, reached = _match(
                deepest, np.radians(longitude[part]), np.radians(latitude[part]), first, capacity,
                index.cells.orders, index.cells.cell, index.cells.entry, index.ra, index.dec, index.radius,
            )  # fmt: skip
            found.append((position[:size] + start, cone[:size], separation[:size]))
            if reached == first:
                capacity *= 4  # one position lies in more cones than fit into the buffer
            first = reached
        capacity = max(capacity, 2 * sum(len(item[0]) for item in found[-1:]))
    if not found:
        empty = np.empty(0, np.int64)
        return ConeHits(empty, empty, np.empty(0))
    hits = ConeHits(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    if mjd is not None and len(index.windows):
        held = index.windows.hold(hits.cone, mjd[hits.position])
        hits = ConeHits(hits.position[held], hits.cone[held], hits.separation[held])
    order = np.lexsort((hits.cone, hits.position))
    return ConeHits(hits.position[order], hits.cone[order], hits.separation[order])


@njit(cache=True, nogil=True)
def _match(deepest, ra, dec, first, capacity, orders, cell, entry, cone_ra, cone_dec, cone_radius):  # type: ignore[no-untyped-def]
    """Hits of positions from `first` on, until the buffer is full; ends between two positions."""
    position = np.empty(capacity, np.int64)
    cone = np.empty(capacity, np.int64)
    separation = np.empty(capacity, np.float64)
    size = 0
    row = first
    while row < len(deepest):
        before = size
        full = False
        for order in orders:
            wanted = (np.int64(4) << (2 * order)) + (deepest[row] >> (2 * (DEEPEST - order)))
            low, high = 0, len(cell)
            while low < high:
                middle = (low + high) >> 1
                if cell[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            while low < len(cell) and cell[low] == wanted:
                candidate = entry[low]
                half = haversine(ra[row], dec[row], np.radians(cone_ra[candidate]), np.radians(cone_dec[candidate]))
                distance = 2.0 * np.arcsin(np.sqrt(min(half, 1.0))) * ARCSEC_PER_RADIAN
                if distance <= cone_radius[candidate]:
                    if size == capacity:
                        full = True
                        break
                    position[size] = row
                    cone[size] = candidate
                    separation[size] = distance
                    size += 1
                low += 1
            if full:
                break
        if full:
            size = before
            break
        row += 1
    return position, cone, separation, size, row


def cone_checksum(
    watchlist: NDArray[np.int64],
    cone: NDArray[np.int64],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    radius: NDArray[np.float64],
    name: pa.StringArray,
) -> tuple[int, int]:
    """Two 64-bit checksums of a set of cones, independent of their order.

    Parameters
    ----------
    watchlist, cone : (n,) int64 array
        Ids of the list and of the cone.
    ra, dec : (n,) float64 array
        Centres, ICRS, degrees.
    radius : (n,) float64 array
        Radii, arcsec.
    name : (n,) Arrow string array
        Names, or null.

    Returns
    -------
    int, int
        0 to 2⁶⁴ − 1.

    Notes
    -----
    Each row is mixed by the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA) over its fields; the rows are
    added. With a sum, a change can be applied without reading the rest; two sums make a chance collision negligible.
    """
    plain = name.fill_null("\0")
    if plain.offset or not isinstance(plain, pa.StringArray):
        plain = pa.concat_arrays([plain]) if plain.offset == 0 else pa.array(plain.to_pylist(), pa.string())
    buffers = plain.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[: len(plain) + 1] if len(plain) else np.zeros(1, np.int32)
    text = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None else np.empty(0, np.uint8)
    first, second = _checksum(
        watchlist.view(np.uint64), cone.view(np.uint64), ra.view(np.uint64), dec.view(np.uint64),
        radius.view(np.uint64), offsets, text,
    )  # fmt: skip
    return int(first), int(second)


@njit(cache=True, inline="always")
def _mixed(value, word):  # type: ignore[no-untyped-def]
    value = (value ^ word) + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _checksum(watchlist, cone, ra, dec, radius, offsets, text):  # type: ignore[no-untyped-def]
    first, second = np.uint64(0), np.uint64(0)
    for row in range(len(ra)):
        value = np.uint64(0)
        for word in (watchlist[row], cone[row], ra[row], dec[row], radius[row]):
            value = _mixed(value, word)
        for at in range(offsets[row], offsets[row + 1]):
            value = _mixed(value, np.uint64(text[at]))
        first += value
        second += _mixed(value, np.uint64(0xD1B54A32D192ED03))
    return first, second


def window_checksum(cone: NDArray[np.int64], windows: TimeWindows) -> tuple[int, int]:
    """Two 64-bit checksums of the windows of a set of cones, independent of their order; see `cone_checksum`."""
    words = [
        np.ascontiguousarray(values).view(np.uint64) for values in (cone[windows.row], windows.since, windows.until)
    ]
    first, second = _window_checksum(*words)
    return int(first), int(second)


@njit(cache=True, nogil=True)
def _window_checksum(cone, since, until):  # type: ignore[no-untyped-def]
    first, second = np.uint64(0), np.uint64(0)
    for row in range(len(cone)):
        value = _mixed(_mixed(_mixed(np.uint64(0x9FB21C651E98DF25), cone[row]), since[row]), until[row])
        first += value
        second += _mixed(value, np.uint64(0xD1B54A32D192ED03))
    return first, second

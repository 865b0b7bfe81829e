"""Areas of the sky (MOCs): reading and validating them, one index over all of them, and matching positions with it."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.io import fits
from mocpy import MOC
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.cells import DEEPEST, CellIndex, cells_at, order_of
from broker_assets.sky.headers import coordinate_system, number_value, text_value
from broker_assets.sky.separation import check_positions
from broker_assets.sky.unpacking import unpacked
from broker_assets.storage.fits_headers import refuse_impossible

AREA_INDEX_VERSION = "1"

DEEPEST_AREA_ORDER = 14
"""MOCs of a higher order are rejected, as in Lasair (`MOCORDER` ≤ 14)."""

_INTEGERS = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8"}
_END = 12 << (2 * DEEPEST)
"""One more than the number of the last cell of the deepest order."""


class NotAnArea(ValueError):
    """The bytes are not a valid area; the message says why and what to do."""


def read_moc(content: bytes, *, deepest: int = DEEPEST_AREA_ORDER, limits: InputLimits = LIMITS) -> MOC:
    """Read an uploaded MOC, or explain why it is rejected.

    Parameters
    ----------
    content : bytes
        A FITS file, which may be compressed with gzip, following the IVOA MOC standard, version 1 (NUNIQ) or 2 (RANGE).
        Cells and ranges may overlap and come in any order.
    deepest : int
        Maximum order accepted.
    limits : InputLimits
        Bytes (`area_bytes`) and rows (`area_cells`), at most.

    Returns
    -------
    mocpy.MOC
        A space MOC in ICRS: the union of all cells. Its order is the larger of the stated one and that of the cells.

    Raises
    ------
    NotAnArea
        If the bytes are not a FITS file, or the file contains no MOC, is damaged, is not a MOC of the sky in
        equatorial coordinates, has a higher order than `deepest`, or is empty or too large; or if a range has no end
        or ends before it begins, or a cell does not exist.

    Examples
    --------
    >>> read_moc(b"some text")
    Traceback (most recent call last):
    ...
    broker_assets.sky.areas.NotAnArea: not a FITS file: it begins with b'some text', not with SIMPLE; ...
    """
    try:
        content = unpacked(content, limits.area_bytes, "area_bytes")
    except ValueError as error:
        raise NotAnArea(str(error)) from error
    if not content.startswith(b"SIMPLE"):
        raise NotAnArea(f"not a FITS file: it begins with {content[:16]!r}, not with SIMPLE; upload a MOC as FITS")
    try:
        header, start = _table(content)
        values = _values(content, header, start, limits.area_cells)
    except NotAnArea:
        raise
    except Exception as error:  # astropy fails in many ways on damaged files, all equivalent here
        raise NotAnArea(f"the FITS file is damaged or the MOC cannot be read: {error}") from error
    ranges, order = _cells(values) if _ordering(header) == "NUNIQ" else _ranges(values)
    for keyword in ("MOCORD_S", "MOCORDER"):  # of MOC versions 2 and 1
        stated = number_value(header, keyword)
        if stated > deepest:
            raise NotAnArea(
                f"the MOC states order {stated:g} ({keyword}), more than {deepest}; degrade it (mocpy: "
                "`degrade_to_order`)"
            )
        if stated > order:  # a stated order that is too small would turn the listed cells into whole coarser ones
            order = int(stated)
    if order > deepest:
        raise NotAnArea(f"the MOC has order {order}, more than {deepest}; degrade it (mocpy: `degrade_to_order`)")
    return MOC.from_depth29_ranges(order, ranges.astype(np.uint64))


def _table(content: bytes) -> tuple[fits.Header, int]:
    """Checked header of the table of a MOC, and the offset of the first byte of its data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # errors say what is wrong with the file
        refuse_impossible(content)
        with fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as hdus:
            if len(hdus) < 2:
                raise NotAnArea("the FITS file has no second HDU; a MOC is a binary table extension")
            if not isinstance(hdus[1], fits.BinTableHDU):
                raise NotAnArea("the second HDU is not a binary table; a MOC is a binary table extension")
            header, start = hdus[1].header, int(hdus[1].fileinfo()["datLoc"])
    dimension = text_value(header, "MOCDIM").upper()
    if dimension not in {"", "SPACE"}:
        raise NotAnArea(
            f"not a MOC of the sky alone: MOCDIM is {text_value(header, 'MOCDIM')!r}"
            + ("; use its space part" if "SPACE" in dimension else "")
        )
    if _ordering(header) not in {"NUNIQ", "RANGE"}:
        written = text_value(header, "ORDERING") or "missing"
        raise NotAnArea(f"not a MOC: keyword ORDERING of the table is {written}, not NUNIQ or RANGE (IVOA MOC 2.0)")
    frame = coordinate_system(header)
    if frame is not None:
        raise NotAnArea(f"COORDSYS is {frame}; a MOC is in equatorial coordinates (C, ICRS)")
    if header.get("TFIELDS") != 1:
        raise NotAnArea(
            f"not a MOC: its table has {header.get('TFIELDS')} columns, a MOC has one; use a contour of a sky map"
        )
    return header, start


def _ordering(header: fits.Header) -> str:
    written = text_value(header, "ORDERING").upper()
    return "NUNIQ" if written == "UNIQ" else written


def _values(content: bytes, header: fits.Header, start: int, most: int) -> NDArray[np.int64]:
    """The numbers of the only column, row by row; `TTYPE1` may be missing."""
    written = text_value(header, "TFORM1")
    form = re.fullmatch(r"(\d{0,9})([BIJK])", written, re.ASCII)
    if form is None:
        raise NotAnArea(f"not a MOC: its column has the form {written!r}, not whole numbers (J, K)")
    if header.get("TZERO1", 0) != 0 or header.get("TSCAL1", 1) != 1:
        raise NotAnArea("not a MOC: its column is scaled (TZERO1, TSCAL1)")
    rows, each = int(header["NAXIS2"]), int(form[1] or 1)
    kind = np.dtype(_INTEGERS[form[2]])
    count = rows * each
    if count > most:
        raise NotAnArea(f"the MOC has {count:,} numbers, more than {most:,} (BROKER_LIMITS__AREA_CELLS)")
    if rows < 0 or int(header["NAXIS1"]) != each * kind.itemsize:
        raise NotAnArea(f"not a MOC: rows of {header['NAXIS1']} bytes do not hold its column of the form {written!r}")
    if start + count * kind.itemsize > len(content):
        raise NotAnArea("the FITS file is damaged: it is truncated")
    if count == 0:
        raise NotAnArea("the MOC is empty")
    return np.frombuffer(content, kind, count, start).astype(np.int64)


def _cells(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Ranges at the deepest order, and the largest order, of NUNIQ numbers."""
    orders = order_of(np.maximum(values, 4))
    cells = values - (np.int64(4) << (2 * orders))
    wrong = (values < 4) | (orders > DEEPEST) | (cells >= np.int64(12) << (2 * orders))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise NotAnArea(f"row {row + 1} of the MOC has {values[row]}, which is not a cell (NUNIQ)")
    shift = 2 * (DEEPEST - orders)
    return np.stack([cells << shift, (cells + 1) << shift], axis=1), int(orders.max())


def _ranges(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Ranges at the deepest order, and the order that they need."""
    if len(values) % 2:
        raise NotAnArea(f"the MOC has {len(values)} limits of ranges; the last range has no end")
    ranges = values.reshape(-1, 2)
    wrong = (ranges[:, 0] < 0) | (ranges[:, 0] >= ranges[:, 1]) | (ranges[:, 1] > _END)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        first, end = ranges[row].tolist()
        raise NotAnArea(f"range {row + 1} of the MOC is from {first} to {end}; limits must increase, from 0 to {_END}")
    bits = int(np.bitwise_or.reduce(values))
    return ranges, DEEPEST - _trailing_zeros(bits) // 2


def _trailing_zeros(bits: int) -> int:
    return min((bits & -bits).bit_length() - 1, 2 * DEEPEST)


def moc_bytes(moc: MOC) -> bytes:
    """A MOC as a FITS file (IVOA MOC 2.0).

    Examples
    --------
    >>> read_moc(moc_bytes(MOC.from_str("3/1-4"))) == MOC.from_str("3/1-4")
    True
    """
    buffer = io.BytesIO()
    moc.serialize(format="fits").writeto(buffer)
    return buffer.getvalue()


def moc_version(moc: MOC) -> str:
    """Hash of the cells of a MOC, independent of its file.

    Examples
    --------
    >>> moc_version(MOC.from_str("2/1")) == moc_version(MOC.from_str("3/4-7"))
    True
    """
    return hashlib.sha256(np.ascontiguousarray(moc.to_depth29_ranges).tobytes()).hexdigest()


@dataclass(frozen=True)
class AreaHits:
    """Pairs of a position and an area that contains it."""

    position: NDArray[np.int64]
    """(m,) row of the positions, ascending."""
    area: NDArray[np.int64]
    """(m,) id of the area, ascending within a position."""

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True, eq=False)
class AreaIndex:
    """The cells of all areas in one index."""

    area: NDArray[np.int64]
    """(n,) ids of the areas, ascending."""
    content: tuple[str, ...]
    """(n,) version of each area's MOC."""
    cells: CellIndex = field(repr=False)
    """Cells, and the row of the area that they belong to."""

    def __len__(self) -> int:
        return len(self.area)

    @cached_property
    def version(self) -> str:
        """Hash of the content."""
        digest = hashlib.sha256()
        for area, content in zip(self.area.tolist(), self.content, strict=True):
            digest.update(f"{area}:{content};".encode())
        return digest.hexdigest()


def build_area_index(areas: Mapping[int, MOC]) -> AreaIndex:
    """Index areas for `match_areas`.

    Parameters
    ----------
    areas : mapping of int to mocpy.MOC
        Area id to its cells.

    Returns
    -------
    AreaIndex

    Examples
    --------
    >>> index = build_area_index({7: MOC.from_str("0/4"), 9: MOC.from_str("1/16")})
    >>> match_areas(index, [0.0], [0.0]).area
    array([7])
    """
    ids = np.array(sorted(areas), dtype=np.int64)
    cells = [np.asarray(areas[int(area)].uniq_hpx, dtype=np.int64) for area in ids]
    entries = np.repeat(np.arange(len(ids), dtype=np.int32), [len(part) for part in cells])
    versions = tuple(moc_version(areas[int(area)]) for area in ids)
    together = np.concatenate(cells) if cells else np.empty(0, np.int64)
    return AreaIndex(ids, versions, CellIndex.of(together, entries))


def update_area_index(index: AreaIndex, *, removed: set[int], added: Mapping[int, MOC]) -> AreaIndex:
    """The index after some areas were removed and others added or changed (changed ones are in both arguments).

    Examples
    --------
    >>> index = build_area_index({7: MOC.from_str("0/4")})
    >>> update_area_index(index, removed={7}, added={8: MOC.from_str("0/5")}).area
    array([8])
    """
    keep = np.array([int(area) not in removed and int(area) not in added for area in index.area], dtype=bool)
    part = build_area_index(added)
    ids = np.concatenate([index.area[keep], part.area])
    order = np.argsort(ids, kind="stable")
    place = np.empty(len(ids), np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    staying = int(keep.sum())
    renumbered = np.zeros(len(index.area), np.int32)
    renumbered[keep] = place[:staying]
    versions = [version for version, stays in zip(index.content, keep, strict=True) if stays] + list(part.content)
    return AreaIndex(
        ids[order],
        tuple(versions[row] for row in order),
        index.cells.replaced(keep, renumbered, part.cells.cell, place[staying:][part.cells.entry]),
    )


def match_areas(index: AreaIndex, ra: ArrayLike, dec: ArrayLike) -> AreaHits:
    """Find every area that contains each position.

    Parameters
    ----------
    index : AreaIndex
        See `build_area_index`.
    ra, dec : (n,) float64 array
        ICRS position, degrees.

    Returns
    -------
    AreaHits
        `position` (m,) int64 row in `ra`; `area` (m,) int64 id of the area.

    Raises
    ------
    ValueError
        If a declination is outside [-90, 90] or a value is not finite; the message names the first such row.
    """
    longitude, latitude = check_positions(ra, dec)
    deepest = cells_at(longitude, latitude)
    starts, counts = _runs(deepest, index.cells.orders, index.cells.cell)
    flat = counts.ravel()
    total = int(flat.sum())
    position = np.repeat(np.arange(len(deepest), dtype=np.int64), counts.sum(axis=1))
    within = np.arange(total) - np.repeat(np.cumsum(flat) - flat, flat)
    entry = index.cells.entry[np.repeat(starts.ravel(), flat) + within]
    area = index.area[entry]
    order = np.lexsort((area, position))
    return AreaHits(position[order], area[order])


@njit(cache=True, nogil=True)
def _runs(deepest, orders, cell):  # type: ignore[no-untyped-def]
    """For each position and order, where the cell of the position begins in the index and how often it occurs."""
    starts = np.empty((len(deepest), len(orders)), np.int64)
    counts = np.zeros((len(deepest), len(orders)), np.int64)
    for row in range(len(deepest)):
        for column in range(len(orders)):
            order = orders[column]
            wanted = (np.int64(4) << (2 * order)) + (deepest[row] >> (2 * (DEEPEST - order)))
            low, high = 0, len(cell)
            while low < high:
                middle = (low + high) >> 1
                if cell[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            starts[row, column] = low
            while low < len(cell) and cell[low] == wanted:
                low += 1
            counts[row, column] = low - starts[row, column]
    return starts, counts

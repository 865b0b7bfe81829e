"""Areas of the sky (MOCs): reading and validating them, one index of all, and matching positions against it."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from mocpy import MOC
from numba import njit
from numpy.typing import ArrayLike, NDArray

from broker_assets.sky.cells import DEEPEST, CellIndex, cells_at
from broker_assets.sky.separation import check_positions

AREA_INDEX_VERSION = "1"

DEEPEST_AREA_ORDER = 14
"""MOCs of a higher order are rejected, as in Lasair (`MOCORDER` ≤ 14)."""


class NotAnArea(ValueError):
    """The bytes are not a valid area; the message says why and what to do."""


def read_moc(content: bytes, *, deepest: int = DEEPEST_AREA_ORDER) -> MOC:
    """Read an uploaded MOC, or explain why it is rejected.

    Parameters
    ----------
    content : bytes
        A FITS file following the IVOA MOC standard, version 1 (NUNIQ) or 2 (RANGE).
    deepest : int
        Maximum order accepted.

    Returns
    -------
    mocpy.MOC
        A space MOC in ICRS.

    Raises
    ------
    NotAnArea
        If the bytes are not a FITS file, or the file contains no MOC, is damaged, is not a MOC of the sky in
        equatorial coordinates, has a higher order than `deepest`, or is empty.

    Examples
    --------
    >>> read_moc(b"some text")
    Traceback (most recent call last):
    ...
    broker_assets.sky.areas.NotAnArea: not a FITS file: it begins with b'some text', not with SIMPLE; ...
    """
    if not content.startswith(b"SIMPLE"):
        raise NotAnArea(f"not a FITS file: it begins with {content[:16]!r}, not with SIMPLE; upload a MOC as FITS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # what is wrong with the file is said by the error
            _check_moc_file(content, deepest)
            moc = MOC.from_fits(io.BytesIO(content))
    except NotAnArea:
        raise
    except BaseException as error:  # astropy and the Rust reader fail in many ways on damaged files, all equivalent
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise NotAnArea(f"the FITS file is damaged or the MOC cannot be read: {error}") from error
    if moc.empty():
        raise NotAnArea("the MOC is empty")
    if moc.max_order > deepest:
        raise NotAnArea(f"the MOC has order {moc.max_order}, more than {deepest}; degrade it")
    return moc


def _check_moc_file(content: bytes, deepest: int) -> None:
    """Reject a FITS file that contains no MOC of the sky, or one of too high an order."""
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        if len(hdus) < 2:
            raise NotAnArea("the FITS file has no second HDU; a MOC is a binary table extension")
        if not isinstance(hdus[1], fits.BinTableHDU):
            raise NotAnArea("the second HDU is not a binary table; a MOC is a binary table extension")
        header, rows = hdus[1].header, len(hdus[1].data)
    ordering = str(header.get("ORDERING", "missing")).strip().upper()
    if ordering not in {"NUNIQ", "RANGE", "UNIQ"}:
        raise NotAnArea(f"not a MOC: keyword ORDERING of the table is {ordering}, not NUNIQ or RANGE (IVOA MOC 2.0)")
    if str(header.get("MOCDIM", "SPACE")).strip().upper() != "SPACE":
        raise NotAnArea(f"not a MOC of the sky: MOCDIM is {header['MOCDIM']!r}; use its space part")
    if str(header.get("COORDSYS", "C")).strip().upper()[:1] not in {"C", ""}:
        raise NotAnArea(f"COORDSYS is {header['COORDSYS']!r}; a MOC is in equatorial coordinates (C, ICRS)")
    if header.get("TFIELDS") != 1:
        raise NotAnArea(
            f"not a MOC: its table has {header.get('TFIELDS')} columns, a MOC has one; use a contour of a sky map"
        )
    for keyword in ("MOCORD_S", "MOCORDER"):
        if int(header.get(keyword, 0)) > deepest:
            raise NotAnArea(
                f"the MOC states order {header[keyword]} ({keyword}), more than {deepest}; degrade it (mocpy: "
                "`degrade_to_order`)"
            )
    if rows == 0:
        raise NotAnArea("the MOC is empty")


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
    """The cells of all areas together."""

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
    """For each position and order, where its cell begins in the index and how often it occurs."""
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

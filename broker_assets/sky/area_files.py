"""Files that an area can be loaded from: a MOC as FITS, JSON or text, or a region as STC-S or DS9 text.

The first characters of a file decide its format. A file is read completely or refused with the reason; no part of it is
ever left out. MOCs as FITS are read by `broker_assets.sky.areas`, regions by `broker_assets.sky.regions`.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator

import numpy as np
from mocpy import MOC

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.areas import DEEPEST_AREA_ORDER, NotAnArea, read_moc
from broker_assets.sky.cells import DEEPEST
from broker_assets.sky.regions import region_area
from broker_assets.sky.unpacking import unpacked

_ASCII_MOC = re.compile(r"\s*\d+\s*/", re.ASCII)
# Limits on the number of digits keep the search linear; no order or cell number has more.
_ORDER = re.compile(r"(\d{1,9})\s{0,9}/", re.ASCII)
_JOINED_ORDER = re.compile(r"/\d{1,9}/", re.ASCII)
"""An order without cells needs a space before the next order: `3/1/2` may mean cell 1 of order 3, or order 1."""
_TOKEN = re.compile(r"[^\s,]+")
_CELLS = re.compile(r"(\d{1,30})(?:-(\d{1,30}))?$", re.ASCII)


def read_area(
    content: bytes, *, region_order: int, deepest: int = DEEPEST_AREA_ORDER, limits: InputLimits = LIMITS
) -> MOC:
    """Read an area from the content of a file.

    Parameters
    ----------
    content : bytes
        A MOC as FITS (IVOA MOC 1 or 2), JSON (``{"3": [1, 2]}``) or text (``3/1-4 5/97``); or UTF-8 text of a region in
        STC-S or DS9 form, see `region_area`. gzip is unpacked.
    region_order : int
        Order of the MOC that a region becomes.
    deepest : int
        Deepest order that a MOC may have.
    limits : InputLimits
        Largest files, MOCs and regions.

    Returns
    -------
    mocpy.MOC
        In ICRS, not empty.

    Raises
    ------
    NotAnArea
        If the content is none of these, is damaged, empty, too large, or deeper than `deepest`; the message says what
        is wrong.

    Examples
    --------
    >>> read_area(b"3/1-4", region_order=9) == read_area(b'{"3": [1, 2, 3, 4]}', region_order=9)
    True
    >>> read_area(b"CIRCLE ICRS 10 20 1", region_order=9).max_order
    9
    """
    if not content.strip():
        raise NotAnArea("the file is empty")
    try:
        content = unpacked(content, limits.area_bytes, "area_bytes")
    except ValueError as error:
        raise NotAnArea(str(error)) from error
    if content.startswith(b"SIMPLE"):
        return read_moc(content, deepest=deepest, limits=limits)
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise NotAnArea(
            f"neither FITS nor UTF-8 text (byte {error.start} is {content[error.start]:#04x}); give a MOC as FITS, "
            "JSON or text, or a region as STC-S or DS9"
        ) from None
    if text.startswith("{"):
        return _moc(_json_cells(text), deepest, limits)
    if _ASCII_MOC.match(text):
        return _moc(_ascii_cells(text), deepest, limits)
    return region_area(text, order=region_order, limits=limits)


def _json_cells(text: str) -> Iterator[tuple[int, int, int]]:
    try:
        # As pairs, since an order may occur twice and none of its cells may be lost.
        document = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise NotAnArea(f"begins as a MOC in JSON, but is not JSON: {error}") from None
    for key, cells in document:
        if not re.fullmatch(r"\d{1,2}", key, re.ASCII):
            raise NotAnArea(f"not a MOC in JSON: {key[:40]!r} is not an order")
        if not isinstance(cells, list):
            raise NotAnArea(f"not a MOC in JSON: order {key} has no list of cells")
        yield int(key), 0, -1  # an order without cells gives the order of the MOC
        for cell in cells:
            if type(cell) is not int:
                raise NotAnArea(
                    f"not a MOC in JSON: order {key} has the cell {repr(cell)[:40]}, which is not a whole number"
                )
            yield int(key), cell, cell


def _ascii_cells(text: str) -> Iterator[tuple[int, int, int]]:
    order: int | None = None
    joined = _JOINED_ORDER.search(text)
    if joined is not None:
        raise NotAnArea(f"not a MOC as text: {joined[0]!r} is ambiguous; put a blank before each order, as `3/1-4 5/9`")
    # One after the other: a list of all tokens takes fifty times the bytes of the file.
    for found in _TOKEN.finditer(_ORDER.sub(r" \1/ ", text)):
        token = found[0]
        if _ORDER.fullmatch(token):
            order = int(token[:-1])
            yield order, 0, -1
            continue
        cells = _CELLS.match(token)
        if cells is None or order is None:
            raise NotAnArea(f"not a MOC as text: {token[:40]!r} is neither an order (`3/`) nor a cell or range (`1-4`)")
        yield order, int(cells[1]), int(cells[2] or cells[1])


def _moc(cells: Iterator[tuple[int, int, int]], deepest: int, limits: InputLimits) -> MOC:
    """The MOC of ranges of cells: order, first and last cell of each; −1 as the last means no cell."""
    depth = 0
    ranges = array("Q")
    for order, first, last in cells:
        if order > DEEPEST:
            raise NotAnArea(f"there is no order {order}; the deepest of HEALPix is {DEEPEST}")
        if order > deepest:
            raise NotAnArea(f"the MOC has order {order}, more than {deepest}; degrade it (mocpy: `degrade_to_order`)")
        depth = max(depth, order)
        if last < 0 <= first:
            continue
        most = 12 * 4**order - 1
        if not 0 <= first <= last <= most:
            what = f"cell {first}" if first == last else f"range {first}-{last}"
            raise NotAnArea(f"there is no {what} of order {order}; its cells are 0 to {most}")
        if len(ranges) == 2 * limits.area_cells:
            raise NotAnArea(f"the MOC has more than {limits.area_cells:,} cells (BROKER_LIMITS__AREA_CELLS)")
        shift = 2 * (DEEPEST - order)
        ranges.append(first << shift)
        ranges.append((last + 1) << shift)
    if not ranges:
        raise NotAnArea("the MOC is empty")
    return MOC.from_depth29_ranges(depth, np.frombuffer(ranges, np.uint64).reshape(-1, 2))

"""Tiles of the sky with a limited number of rows each, and the tiles that a position is in or near.

HATS (Hierarchical Adaptive Tiling Scheme, IVOA Note 2025): a tile is a HEALPix cell of any order in the nested scheme;
tiles do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cdshealpix
import numpy as np
from numpy.typing import NDArray

FINEST: Final = 29
"""Order of the cells by which rows are sorted."""
COARSEST: Final = 2
"""Order of the tiles of an empty catalogue."""
DEEPEST: Final = 12
"""Order beyond which tiles are not divided."""
MARGIN_ARCSEC: Final = 10.0
"""Rows within this distance of a tile are in its margin, which may contain others."""
MARGIN_ORDER: Final = 12
"""Order of cells of 52 arcseconds: the margin of a tile is covered by its cells and their neighbours."""

Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Tiles:
    """Tiles, by their first cell of order `FINEST`."""

    orders: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @classmethod
    def of(cls, tiles: set[tuple[int, int]]) -> Tiles:
        """From pairs of order and pixel."""
        ordered = sorted(tiles, key=lambda tile: tile[1] << (2 * (FINEST - tile[0])))
        pairs = np.array(ordered, np.int64).reshape(-1, 2)
        return cls(pairs[:, 0], pairs[:, 1])

    def find(self, cells: Cells, order: int = FINEST) -> NDArray[np.int64]:
        """Index of the tile that contains each cell of an order; −1 if none does."""
        if not len(self.orders):
            return np.full(cells.shape, -1, np.int64)
        begins = self.pixels << (2 * (FINEST - self.orders))
        ends = (self.pixels + 1) << (2 * (FINEST - self.orders))
        first = cells << (2 * (FINEST - order))
        at = np.searchsorted(begins, first, side="right") - 1
        inside = (at >= 0) & (first < ends[np.maximum(at, 0)])
        return np.where(inside, at, -1)

    def pair(self, number: int) -> tuple[int, int]:
        """Order and pixel of a tile."""
        return int(self.orders[number]), int(self.pixels[number])

    def around(self, tile: tuple[int, int]) -> list[tuple[int, int]]:
        """Tiles that touch a tile."""
        order, pixel = tile
        cells = np.asarray(cdshealpix.neighbours(np.array([pixel], np.uint64), order), np.int64).ravel()
        cells = cells[cells >= 0] << (2 * (FINEST - order))
        begins = self.pixels << (2 * (FINEST - self.orders))
        ends = (self.pixels + 1) << (2 * (FINEST - self.orders))
        size = 1 << (2 * (FINEST - order))
        touches = (begins[:, None] < cells + size) & (ends[:, None] > cells)
        return [self.pair(number) for number in np.flatnonzero(touches.any(axis=1)).tolist()]

    def near(self, cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows in margins of tiles: the rows, and the index of the tile for each.

        Parameters
        ----------
        cells : (n,) int64 array
            Cells of the rows, order `FINEST`.
        """
        own = self.find(cells)
        around = np.asarray(
            cdshealpix.neighbours((cells >> (2 * (FINEST - MARGIN_ORDER))).astype(np.uint64), MARGIN_ORDER), np.int64
        )
        # Tiles smaller than a cell of the margin are not found by their own cells.
        found = np.where(around >= 0, self.find(np.maximum(around, 0), MARGIN_ORDER), -1)
        rows, places = np.nonzero((found >= 0) & (found != own[:, None]))
        pairs = np.unique(np.stack([rows, found[rows, places]], axis=1), axis=0)
        return pairs[:, 0], pairs[:, 1]


def divide(cells: Cells, tile: tuple[int, int], most: int) -> list[tuple[tuple[int, int], slice]]:
    """Divide a tile until each part has at most a given number of rows.

    Parameters
    ----------
    cells : (n,) int64 array
        Cells of the rows in the tile, ascending.
    tile : tuple of int
        Order and pixel.
    most : int
        Rows of a tile, at most.

    Returns
    -------
    list of tile and slice
        Tiles with rows, and which rows each has.

    Examples
    --------
    >>> divide(np.array([1, 2, 3 << 56]), (0, 0), 2)
    [((1, 0), slice(0, 2, None)), ((1, 3), slice(2, 3, None))]
    """

    def within(order: int, pixel: int, low: int, high: int) -> list[tuple[tuple[int, int], slice]]:
        if high == low:
            return []
        if high - low <= most or order >= DEEPEST:
            return [((order, pixel), slice(low, high))]
        shift = 2 * (FINEST - order - 1)
        bounds = low + np.searchsorted(cells[low:high], (np.arange(5) + 4 * pixel) << shift)
        return [
            part
            for child in range(4)
            for part in within(order + 1, 4 * pixel + child, int(bounds[child]), int(bounds[child + 1]))
        ]

    return within(*tile, 0, len(cells))

"""Tiles of the sky."""

from __future__ import annotations

import numpy as np

from broker_assets.cold.hats.tiles import FINEST, Tiles, divide


def test_every_cell_is_in_one_tile_and_parts_have_not_too_many() -> None:
    random = np.random.default_rng(1)
    cells = np.sort(random.integers(0, 12 << (2 * FINEST), 5000))
    parts = [part for pixel in range(12) for part in divide(cells[(cells >> (2 * FINEST)) == pixel], (0, pixel), 100)]
    assert max(chosen.stop - chosen.start for _, chosen in parts) <= 100
    tiles = Tiles.of({tile for tile, _ in parts})
    place = tiles.find(cells)
    assert (place >= 0).all()
    counted = {tiles.pair(number): int((place == number).sum()) for number in np.unique(place)}
    assert counted == {tile: chosen.stop - chosen.start for tile, chosen in parts}
    assert Tiles.of(set()).find(cells).max() == -1


def test_tiles_that_touch() -> None:
    """A tile and its eight neighbours; where they are divided, all parts are found."""
    whole = Tiles.of({(1, pixel) for pixel in range(48)})
    assert len(whole.around((1, 21))) == 9
    finer = Tiles.of({(2, pixel) for pixel in range(192)})
    assert len(finer.around((1, 21))) == 36

"""HEALPix cells against the library."""

from __future__ import annotations

import cdshealpix
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.cells import cell_centre, order_of, unique_cell
from broker_assets.sky.separation import separation


@pytest.mark.parametrize("order", [0, 1, 2, 5, 14, 29])
def test_centres_are_those_of_the_library(order: int) -> None:
    random = np.random.default_rng(order)
    count = 12 * 4**order
    pixels = np.arange(count) if count < 20_000 else np.append(random.integers(0, count, 5000), [0, count - 1])
    longitude, latitude = cdshealpix.healpix_to_lonlat(pixels.astype(np.uint64), order)
    ours = np.degrees([cell_centre(order, int(pixel)) for pixel in pixels])
    assert separation(ours[:, 0], ours[:, 1], longitude.deg, latitude.deg).max() < 1e-8


@given(st.integers(0, 29), st.data())
def test_unique_numbers_tell_their_order(order: int, data: st.DataObject) -> None:
    pixel = data.draw(st.integers(0, 12 * 4**order - 1))
    cell = unique_cell(order, np.array([pixel]))
    assert order_of(cell)[0] == order

"""Bit masks and time stamps of packets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.decoding.masks import bits, energy_edges, measurement_time


@given(st.integers(0, 2**32 - 1))
def test_bits_are_least_significant_first(word: int) -> None:
    expanded = bits(np.array([word]), 32)[0]
    assert sum(int(bit) << position for position, bit in enumerate(expanded)) == word
    assert energy_edges(np.array([word]), np.array([1])).shape == (1, 33)


@pytest.mark.parametrize(
    ("stamps", "coarse", "fine"),
    [([7, 8], [7, 8], [0, 0]), ([7 << 16 | 5, 2**32], [7, 65536], [5, 0])],
)
def test_time_stamps_of_a_product_are_all_of_one_kind(stamps: list[int], coarse: list[int], fine: list[int]) -> None:
    found = measurement_time(np.array(stamps))
    assert [part.tolist() for part in found] == [coarse, fine]

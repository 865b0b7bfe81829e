"""Bits are packed as `numpy.packbits` packs them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets.tiles import pack


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=64, max_size=64))
def test_one_bit_for_each_byte_that_is_not_zero(content: list[int]) -> None:
    data = np.array(content, dtype=np.uint8)
    wanted = np.packbits(data != 0, bitorder="little").view(np.int64)[0]
    assert np.int64(pack(data.ctypes.data)) == wanted

"""A pass that fails is repeated on halves until only those that make it fail are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from broker_assets.packets.bisection import isolated
from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.limits import BatchTooLarge


@given(st.integers(0, 60), st.sets(st.integers(0, 59)))
def test_exactly_the_bad_ones_fail(count: int, bad: set[int]) -> None:
    def work(rows: NDArray[np.int64]) -> list[int]:
        if bad & set(rows.tolist()):
            raise ZeroDivisionError("bad")
        return rows.tolist()

    failures: list[PacketFailure] = []
    packets = np.arange(100, 160, dtype=np.int32)
    found = isolated(np.arange(count), work, failures, packets=packets)
    expected = sorted(bad & set(range(count)))
    assert [row for part in found for row in part] == [row for row in range(count) if row not in expected]
    assert [failure.packet for failure in failures] == [100 + row for row in expected]
    assert all(failure.reason == "ZeroDivisionError: bad" for failure in failures)


def test_a_batch_that_is_too_large_is_nobodys_failure() -> None:
    def work(rows: NDArray[np.int64]) -> None:
        raise BatchTooLarge("too large", 1)

    with pytest.raises(BatchTooLarge):
        isolated(np.arange(4), work, [])

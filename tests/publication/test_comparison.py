"""When a file looks worse than the one that the archive has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.comparison import EDGE, overlap, worse
from broker_assets.publication.content import joined, read
from broker_assets.publication.selection import Rules

intervals = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 9)), max_size=8).map(
    lambda parts: joined(
        np.array([float(begin) for begin, _ in parts]), np.array([float(begin + length) for begin, length in parts])
    )
)


@given(intervals, intervals)
def test_overlap_counts_seconds(old: list[tuple[float, float]], new: list[tuple[float, float]]) -> None:
    def inside(second: int, parts: list[tuple[float, float]], edge: float) -> bool:
        return any(begin - edge <= second and second + 1 <= end + edge for begin, end in parts)

    expected = sum(inside(s, old, 0) and inside(s, new, EDGE) for s in range(100))
    assert overlap(old, new) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": 59}, "59 rows, the delivered file has 60"),
        ({"nan": 3}, "column temperature has 5.0% NaN, the delivered file has 0.0%"),
        ({"columns": ("counts",)}, "column temperature is missing"),
        ({"first": 30.0}, "29.0 s of the 60.0 s of the delivered file are not covered"),
    ],
)
def test_what_looks_worse(products: Any, change: dict[str, Any], reason: str) -> None:
    before = read(products.product(), "fits").facts
    assert worse(read(products.product(**change), "fits").facts, before, Rules()) == [reason]


def test_more_data_and_a_better_clock_are_not_worse(products: Any) -> None:
    before = read(products.product(), "fits").facts
    longer = read(products.product(rows=80), "fits").facts
    moved = read(products.product(begin="2021-01-16T12:00:00.020"), "fits").facts
    assert worse(longer, before, Rules()) == []
    assert worse(moved, before, Rules()) == []
    tolerant = Rules(tolerated_row_loss=0.1, tolerated_coverage_loss=0.1, tolerated_nan_increase=0.1)
    little = read(products.product(rows=55, nan=5), "fits").facts
    assert worse(little, before, tolerant) == []
    assert worse(little, before, Rules()) == [
        "55 rows, the delivered file has 60",
        "column temperature has 9.1% NaN, the delivered file has 0.0%",
        "4.0 s of the 60.0 s of the delivered file are not covered",
    ]

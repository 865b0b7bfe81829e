"""Confusion of classes, by counts and by levels of the taxonomy."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.metrics.confusion import confusion
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

TAXONOMY = read_taxonomy("elasticc2")
PAIRS = st.lists(
    st.tuples(st.sampled_from([2222, 2223, 2332, 2311]), st.sampled_from([2222, 2220, 2200, 2332, 2300]),
              st.integers(0, 9))
)  # fmt: skip


@given(PAIRS)
def test_rows_and_columns_sum_to_one(pairs: list[tuple[int, int, int]]) -> None:
    found = confusion(*np.array(pairs, int).reshape(-1, 3).T)
    assert found.objects.sum() == sum(count for *_, count in pairs)
    assert np.allclose(found.by_true_class.sum(axis=1), 1.0)
    assert np.allclose(found.by_reported_class.sum(axis=0), 1.0)
    for true, reported, _ in pairs:
        expected = sum(count for one, other, count in pairs if (one, other) == (true, reported))
        row, column = np.flatnonzero(found.true == true), np.flatnonzero(found.reported == reported)
        assert expected == (found.objects[row, column].sum() if row.size and column.size else 0)


def test_a_class_above_is_right_unless_exactness_is_asked_for() -> None:
    found = confusion([2222, 2222, 2223], [2222, 2220, 2222], [5, 3, 2])
    assert found.right(TAXONOMY) == 0.5
    assert found.right(TAXONOMY) == 0.5
    assert found.right(TAXONOMY, "broad") == 0.8
    assert found.right(TAXONOMY, "category") == 0.8
    assert math.isnan(confusion([], [], []).right(TAXONOMY))

"""Values in the types of our columns: what fits stays, what does not is null and counted, and no column is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.values import cast_where_possible

TARGETS = [pa.int16(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.bool_()]
COLUMNS = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)).map(lambda items: pa.array(items, pa.int64())),
    st.lists(st.none() | st.floats()).map(lambda items: pa.array(items, pa.float64())),
    st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=8) | st.integers(-99, 99).map(str)).map(
        lambda items: pa.array(items, pa.string())
    ),
    st.lists(st.none() | st.binary(max_size=8)).map(lambda items: pa.array(items, pa.binary())),
    st.lists(st.none() | st.booleans()).map(lambda items: pa.array(items, pa.bool_())),
    st.lists(st.none() | st.lists(st.integers(0, 9))).map(lambda items: pa.array(items, pa.list_(pa.int8()))),
    st.lists(st.none()).map(lambda items: pa.array(items, pa.null())),
)


@given(COLUMNS, st.sampled_from(TARGETS))
def test_any_column_becomes_any_type(column: Any, kind: pa.DataType) -> None:
    cast, lost = cast_where_possible(column, kind)
    assert cast.type == kind
    assert len(cast) == len(column)
    assert lost == cast.null_count - column.null_count
    assert all(new is None for old, new in zip(column.to_pylist(), cast.to_pylist(), strict=True) if old is None)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.sampled_from([np.int8, np.int16, np.int32]))
def test_integers_that_fit_are_kept(numbers: list[int], target: type) -> None:
    limits = np.iinfo(target)
    cast, _ = cast_where_possible(pa.array(numbers, pa.int64()), pa.from_numpy_dtype(target))
    assert cast.to_pylist() == [number if limits.min <= number <= limits.max else None for number in numbers]


@pytest.mark.parametrize("large", [2.0**63, 1e300, float("inf"), float("nan"), 0.5])
def test_floats_that_are_no_integers(large: float) -> None:
    cast, lost = cast_where_possible(pa.array([large, -(2.0**63), 7.0]), pa.int64())
    assert (cast.to_pylist(), lost) == ([None, -(2**63), 7], 1)


def test_a_shorter_float_is_never_infinite_where_the_longer_one_was_not() -> None:
    cast, lost = cast_where_possible(pa.array([1e300, float("inf"), 1.5]), pa.float32())
    assert (cast.to_pylist(), lost) == ([None, float("inf"), 1.5], 1)

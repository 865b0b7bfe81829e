"""JSON that every reader understands."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.api.documents import EXACT, Document, plain, records

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(max_size=9)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


def read_as_javascript_does(text: str) -> Any:
    """Numbers as 64-bit floats, and none of the values that JSON does not have."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    return json.loads(text, parse_int=float, parse_constant=refuse)


@given(VALUES)
def test_nothing_is_rounded_and_nothing_is_no_json(value: Any) -> None:
    found = read_as_javascript_does(bytes(Document(value).body).decode())

    def check(given: Any, read: Any) -> None:
        if isinstance(given, dict):
            assert list(read) == list(given)
            for key in given:
                check(given[key], read[key])
        elif isinstance(given, list):
            assert len(read) == len(given)
            for one, other in zip(given, read, strict=True):
                check(one, other)
        elif isinstance(given, bytes):
            assert read == {"bytes": len(given)}
        elif isinstance(given, bool) or given is None or isinstance(given, str):
            assert read == given
        elif isinstance(given, float):
            assert read == (given if math.isfinite(given) else None)
        else:
            assert int(read) == given
            assert isinstance(read, str) == (abs(given) > EXACT)

    check(value, found)


def test_times_are_iso() -> None:
    noon = datetime.datetime(2025, 10, 1, 12, tzinfo=datetime.UTC)
    assert plain([noon, noon.date()]) == ["2025-10-01T12:00:00+00:00", "2025-10-01"]


@given(st.lists(st.none() | st.floats(width=32), max_size=10))
def test_short_floats_are_the_same_number_in_few_digits(values: list[float | None]) -> None:
    rows = records(pa.table({"flux": pa.array(values, pa.float32()), "number": pa.array(range(len(values)))}))
    assert [row["number"] for row in rows] == list(range(len(values)))
    for row, value in zip(rows, values, strict=True):
        if value is None:
            assert row["flux"] is None
        else:
            np.testing.assert_equal(np.float32(row["flux"]), np.float32(value))
            assert len(repr(row["flux"]).lstrip("-").partition("e")[0].replace(".", "").strip("0")) <= 9

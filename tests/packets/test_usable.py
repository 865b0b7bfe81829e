"""Rows without a key or a time are left out and counted; the packet fails only if its own source is one of them."""

from __future__ import annotations

import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.tables import table
from broker_assets.packets.usable import UnusableSource, usable

DAMAGED = [math.nan, math.inf, -math.inf, 0.0, -1.0, 2461000.7, 1480360995.0, 1.48e12, None]
TIMES = st.sampled_from(DAMAGED) | st.floats(40_000.0, 100_000.0)


def sources(times: list[float | None], *, trigger: bool = False, numbers: list[int | None] | None = None) -> pa.Table:
    rows = len(times)
    return table(
        "source",
        {
            "packet": pa.array([0] * rows, pa.int32()),
            "trigger": pa.array([trigger] * rows),
            "diasourceid": pa.array(numbers or list(range(rows)), pa.int64()),
            "diaobjectid": pa.array([7] * rows, pa.int64()),
            "midpointmjdtai": pa.array(times, pa.float64()),
            "survey": pa.array([1] * rows, pa.int16()),
        },
    )


@given(st.lists(TIMES, max_size=20))
def test_a_damaged_time_is_never_a_row(times: list[float | None]) -> None:
    omitted: Counter[str] = Counter()
    kept = usable("source", sources(times), omitted)
    assert kept["midpointmjdtai"].to_pylist() == [time for time in times if time not in DAMAGED and time == time]
    assert sum(omitted.values()) == len(times) - kept.num_rows


def test_keys() -> None:
    omitted: Counter[str] = Counter()
    kept = usable("source", sources([60000.0] * 3, numbers=[1, None, 3]), omitted)
    assert kept["diasourceid"].to_pylist() == [1, 3]
    assert omitted == {"source: without a valid diasourceid": 1}
    lacking = sources([60000.0]).drop_columns(["diaobjectid"])
    assert usable("source", lacking, omitted).num_rows == 0


@pytest.mark.parametrize("time", DAMAGED)
def test_the_source_of_the_packet_cannot_be_left_out(time: float | None) -> None:
    with pytest.raises(UnusableSource, match="midpointmjdtai is missing or not valid"):
        usable("source", sources([time], trigger=True), Counter())


def test_other_times_become_null() -> None:
    omitted: Counter[str] = Counter()
    objects = table(
        "object",
        {
            "packet": pa.array([0] * 5, pa.int32()),
            "diaobjectid": pa.array([1, 2, 3, 4, 5], pa.int64()),
            "firstdiasourcemjdtai": pa.array([60000.0, 2460000.5, 0.0, math.nan, None]),
            "survey": pa.array([1] * 5, pa.int16()),
        },
    )
    assert usable("object", objects, omitted)["firstdiasourcemjdtai"].to_pylist() == [60000.0, None, None, None, None]
    assert usable("object", objects.slice(3), Counter())["firstdiasourcemjdtai"].null_count == 2
    assert omitted == {"object.firstdiasourcemjdtai: no modified Julian date": 1}

"""Counts of millions of probabilities are those that one gets message by message."""

from __future__ import annotations

import math
import struct
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.metrics.curves import BINS
from broker_assets.tom.metrics.scores import NOT_A_PROBABILITY, count_scores

RIGHT = [(111, 10), (111, 11), (110, 10), (-5, 12), (32767, 13)]
Listed = list[tuple[int | None, float | None]]


def table(messages: list[tuple[int, int, Listed]]) -> pa.Table:
    return pa.table(
        {
            "classifier_id": pa.array([who for who, _, _ in messages], pa.int64()),
            "gentype": pa.array([gentype for _, gentype, _ in messages], pa.int32()),
            "classid": pa.array([[c for c, _ in listed] for *_, listed in messages], pa.list_(pa.int16())),
            "probability": pa.array([[p for _, p in listed] for *_, listed in messages], pa.list_(pa.float32())),
        }
    )


def one_by_one(messages: list[tuple[int, int, Listed]]) -> Counter[tuple[int, int, bool, int]]:
    counts: Counter[tuple[int, int, bool, int]] = Counter()
    for who, gentype, listed in messages:
        for classid, probability in listed:
            if classid is not None:
                valid = probability is not None and 0 <= probability <= 1
                place = min(math.floor(probability * BINS + 1e-5), BINS - 1) if valid else NOT_A_PROBABILITY  # type: ignore[operator]
                counts[who, classid, (classid, gentype) in RIGHT, place] += 1
    return counts


classes = st.sampled_from([111, 110, -5, 32767, -32768, 7, None])
probabilities = st.none() | st.floats(width=32) | st.sampled_from([0.0, 1.0, 0.29, 0.999999, 1.5, -0.1])
messages = st.tuples(
    st.sampled_from([1, 2, 10**12]), st.sampled_from([0, 10, 11, 12, 13]), st.lists(st.tuples(classes, probabilities))
)


@given(st.lists(messages))
def test_counts_are_those_of_single_messages(given_messages: list[tuple[int, int, Listed]]) -> None:
    counted = count_scores(table(given_messages), RIGHT)
    found = {tuple(row[:-1]): row[-1] for row in zip(*(column.to_pylist() for column in counted.columns), strict=True)}
    # A probability has single precision.
    exact = [
        (who, gentype, [(c, None if p is None else struct.unpack(">f", struct.pack(">f", p))[0]) for c, p in listed])
        for who, gentype, listed in given_messages
    ]
    assert found == one_by_one(exact)


def test_lists_of_another_length_are_an_error() -> None:
    uneven = table([(1, 10, [(111, 0.5)])]).set_column(3, "probability", pa.array([[]], pa.list_(pa.float32())))
    with pytest.raises(ValueError, match="another number of probabilities"):
        count_scores(uneven, RIGHT)


def test_probabilities_of_two_decimals_are_in_the_bin_that_begins_there() -> None:
    found = count_scores(table([(1, 10, [(111, place / BINS)]) for place in range(BINS)]), RIGHT)
    assert sorted(found["bin"].to_pylist()) == list(range(BINS))

"""What the stream needs of a message broker, and what a broker may say."""

from __future__ import annotations

from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.stream.messages import (
    MessageSource,
    OffsetOutOfRangeError,
    SourceError,
    SourceRefusedError,
    StreamEnds,
    TopicAbsentError,
)

OFFSETS = st.dictionaries(st.integers(0, 5), st.integers(0, 1000), max_size=6)


@given(OFFSETS, OFFSETS, OFFSETS)
def test_lag_counts_from_the_position_else_from_the_beginning(
    ends: dict[int, int], beginnings: dict[int, int], positions: dict[int, int]
) -> None:
    lag = StreamEnds("alerts", ends, beginnings).lag(positions)
    assert list(lag) == sorted(ends)
    for partition, waiting in lag.items():
        begin = positions[partition] if partition in positions else beginnings.get(partition, 0)
        assert waiting == max(0, ends[partition] - begin)


def test_a_lost_offset_says_where() -> None:
    error = OffsetOutOfRangeError(3, 17)
    assert (error.partition, error.offset) == (3, 17)
    assert str(error) == "partition 3 has no offset 17"
    assert isinstance(error, SourceError)
    assert not isinstance(error, SourceRefusedError), "the run settles it, waiting or not"
    assert issubclass(TopicAbsentError, SourceRefusedError)


def test_the_source_of_tests_is_a_source(packets: ModuleType) -> None:
    assert isinstance(packets.ListSource.of([b"one"]), MessageSource)
    assert not isinstance(object(), MessageSource)

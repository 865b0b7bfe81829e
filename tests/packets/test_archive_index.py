"""What Kafka said of the messages of a file, written and read back."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.archive_index import decode_index, encode_index
from broker_assets.stream.messages import Message

messages = st.lists(
    st.builds(
        Message,
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(-1, 2**62),
        st.none() | st.binary(max_size=9),
        st.just(b""),
    ),
    max_size=12,
)


@given(messages, st.data())
def test_comes_back_as_it_was(listed: list[Message], data: st.DataObject) -> None:
    size = st.lists(st.integers(0, 2**40), min_size=len(listed), max_size=len(listed))
    lengths = np.array(data.draw(size), dtype=np.int64)
    encoded = encode_index(listed, lengths)
    assert encoded.isascii()
    partitions, offsets, timestamps, keys, blocks = decode_index(encoded)
    found = list(zip(partitions.tolist(), offsets.tolist(), timestamps.tolist(), keys, strict=True))
    assert found == [(one.partition, one.offset, one.timestamp_ms, one.key) for one in listed]
    assert blocks.tolist() == lengths.tolist()


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_damage_is_an_error(cut: int) -> None:
    encoded = encode_index([Message(0, 1, 2, b"key", b"")], np.array([7]))
    with pytest.raises((ValueError, zstandard.ZstdError)):
        decode_index(encoded[:cut])

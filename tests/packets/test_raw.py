"""Compiled loads, varints, text and gathering against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from broker_assets.packets import raw
from broker_assets.packets.opcodes import LONG_VARINT, TRUNCATED

LONG = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)


@njit
def loaded(address: int) -> Any:
    return raw.load8(address), raw.load1(address)


@njit
def stored(address: int, value: int) -> None:
    raw.store8(address, value)
    raw.store1(address + 8, value)


@njit
def trailing_zeros(value: int) -> int:
    found: int = raw.trailing_zeros(value)
    return found


@njit
def differs(data: int, mask: int, expected: int) -> Any:
    return raw.differs64(data, mask, expected)


def buffer(content: bytes) -> np.ndarray:
    """Bytes with room before and behind them that no function may change."""
    return np.frombuffer(b"\xaa" * 16 + content + b"\xbb" * 16, dtype=np.uint8).copy()


def zigzag(value: int) -> bytes:
    """A varint as Avro writes it."""
    number = (value << 1) ^ (value >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@settings(max_examples=200, deadline=None)
@given(LONG, st.integers(0, 20))
def test_varints_near_and_far_from_the_end(value: int, behind: int) -> None:
    encoded = zigzag(value)
    data = buffer(encoded + b"\xff" * behind)
    start = data.ctypes.data + 16
    position, found = raw.varint(start, start + len(encoded) + behind)
    assert (position - start, found) == (len(encoded), value)
    for cut in range(len(encoded)):
        position, _ = raw.varint(start, start + cut)
        assert position == -TRUNCATED


@pytest.mark.parametrize("behind", [0, 5, 20])
def test_a_varint_that_does_not_end_is_refused(behind: int) -> None:
    data = buffer(b"\xff" * 11 + b"\x00" * behind)
    start = data.ctypes.data + 16
    position, _ = raw.varint(start, start + 11 + behind)
    assert position == -LONG_VARINT


pieces = st.lists(
    st.one_of(
        st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.binary(max_size=3),
        st.sampled_from([b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"]),
    ),
    max_size=5,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(pieces)
def test_text_is_what_python_decodes(content: bytes) -> None:
    data = buffer(content)
    start = data.ctypes.data + 16
    try:
        content.decode("utf-8")
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert raw.is_text(start, start + len(content)) is valid


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=9, max_size=9), LONG, st.integers(0, 7))
def test_loads_and_stores_at_any_address(content: bytes, value: int, offset: int) -> None:
    data = buffer(bytes(offset) + content)
    address = data.ctypes.data + 16 + offset
    assert loaded(address) == (int.from_bytes(content[:8], "little", signed=True), content[0])
    stored(address, value)
    after = data[16 + offset :].tobytes()
    assert after[:8] == value.to_bytes(8, "little", signed=True)
    assert after[8] == value & 0xFF
    assert after[9:] == b"\xbb" * 16
    assert data[:16].tobytes() == b"\xaa" * 16


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 62), st.integers(0, 2**20))
def test_trailing_zeros(zeros: int, more: int) -> None:
    value = ((2 * more + 1) << zeros) & (2**63 - 1)
    if value:
        assert trailing_zeros(value) == (value & -value).bit_length() - 1


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64), st.integers(0, 511), st.booleans())
def test_words_are_compared_under_a_mask(content: bytes, mask: bytes, bit: int, change: bool) -> None:
    expected = bytearray(one & two for one, two in zip(content, mask, strict=True))
    if change:
        expected[bit // 8] ^= 1 << bit % 8
    parts = [buffer(bytes(part)) for part in (content, mask, expected)]
    assert bool(differs(*(part.ctypes.data + 16 for part in parts))) is change


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.data())
def test_pieces_of_packets_are_gathered(packets: list[bytes], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.integers(0, len(packets) - 1), st.integers(0, 40), st.integers(0, 40))))
    chosen = [(p, min(at, len(packets[p])), n) for p, at, n in rows]
    chosen = [(p, at, min(n, len(packets[p]) - at)) for p, at, n in chosen]
    held = [buffer(packet) for packet in packets]
    addresses = np.array([one.ctypes.data + 16 for one in held], dtype=np.int64)
    numbers = np.array([p for p, _, _ in chosen], dtype=np.int64)
    # Position in the lower half of a word, length in the upper.
    references = np.array([n << 32 | at for _, at, n in chosen], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(references >> 32)]).astype(np.int64)
    out = buffer(bytes(int(offsets[-1])))
    raw.gather(addresses, numbers, references, offsets[:-1], out.ctypes.data + 16)
    wanted = b"".join(packets[p][at : at + n] for p, at, n in chosen)
    assert out.tobytes() == b"\xaa" * 16 + wanted + b"\xbb" * 16

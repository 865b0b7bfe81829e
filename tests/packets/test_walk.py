"""The walk: each reason to fail is named with its place, and a packet that fails leaves nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets.reader import PacketReader

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "number", "type": "int"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "list", "type": {"type": "array", "items": "double"}},
        {"name": "kind", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}},
    ],
}
READER = PacketReader(SCHEMA)
GOOD = bytes([84, 2, 4]) + b"ab" + bytes([2]) + bytes(8) + bytes([0, 2])
ROW = {"number": 42, "text": "ab", "list": [0.0], "kind": "B"}


def rows(payloads: list[bytes], reader: PacketReader = READER, **options: Any) -> list[dict[str, Any]]:
    return list(reader.read(payloads, **options).tables[""].to_pylist())


def test_a_good_packet() -> None:
    assert rows([GOOD]) == [{"packet": 0, **ROW}]


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b"", "number"),
        (GOOD[:4], "text"),
        (GOOD[:7], "list"),
        (GOOD[:-1], "kind"),
        (GOOD + b"\x00", ""),
        (bytes([84, 6]) + GOOD[2:], "text"),
        (bytes([0xFF] * 10) + GOOD[1:], "number"),
        (bytes([0x80, 0x80, 0x80, 0x80, 0x20]) + GOOD[1:], "number"),
        (GOOD[:2] + bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x0F]) + GOOD[3:], "text"),
        (GOOD[:2] + bytes([3]) + GOOD[3:], "text"),
        (GOOD[:3] + b"\xff\xfe" + GOOD[5:], "text"),
        (GOOD[:5] + bytes([0x80, 0x80, 0x80, 0x80, 0x80, 0x40]) + GOOD[6:], "list"),
        (GOOD[:-1] + bytes([4]), "kind"),
        (GOOD[:-1] + bytes([1]), "kind"),
    ],
)
def test_failures_are_named_and_leave_nothing(payload: bytes, path: str) -> None:
    read = READER.read([GOOD, payload, GOOD])
    assert read.tables[""].to_pylist() == [{"packet": packet, **ROW} for packet in (0, 2)]
    [failure] = read.failures
    assert failure.packet == 1
    assert "byte" in failure.reason
    assert f"({path})" in failure.reason if path else "(" not in failure.reason


def test_places_of_the_datum_within_its_payload() -> None:
    framed = b"\x00head" + GOOD + b"tail"
    starts, ends = np.array([5, 0, 5, 9]), np.array([5 + len(GOOD), len(GOOD), 10**9, 5])
    read = READER.read([framed, GOOD, framed, framed], starts=starts, ends=ends)
    assert read.tables[""].to_pylist() == [{"packet": packet, **ROW} for packet in (0, 1)]
    assert [failure.packet for failure in read.failures] == [2, 3]


def test_items_are_limited() -> None:
    reader = PacketReader(SCHEMA, maximum_items=3)
    three = GOOD[:5] + bytes([6]) + bytes(24) + bytes([0, 2])
    four = GOOD[:5] + bytes([8]) + bytes(32) + bytes([0, 2])
    in_blocks = GOOD[:5] + (bytes([4]) + bytes(16)) * 2 + bytes([0, 2])
    read = reader.read([three, four, in_blocks, three])
    assert read.tables[""]["packet"].to_pylist() == [0, 3]
    assert [failure.packet for failure in read.failures] == [1, 2]


def test_blocks_may_say_their_size() -> None:
    sized = GOOD[:5] + bytes([1, 16]) + bytes(8) + bytes([0, 2])
    assert rows([sized]) == [{"packet": 0, **ROW}]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=300))
def test_failures_between_good_packets(good: list[bool]) -> None:
    """Whole tiles, and tiles of which rows were taken back."""
    read = READER.read([GOOD if fine else GOOD[:-3] for fine in good])
    assert read.tables[""]["packet"].to_pylist() == [number for number, fine in enumerate(good) if fine]
    assert [failure.packet for failure in read.failures] == [number for number, fine in enumerate(good) if not fine]
    assert set(read.tables[""]["text"].to_pylist()) <= {"ab"}


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    read = READER.read([GOOD, payload, GOOD])
    packets = read.tables[""]["packet"].to_pylist() + [failure.packet for failure in read.failures]
    assert sorted(packets) == [0, 1, 2]

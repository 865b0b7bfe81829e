"""Packets in plain bytes: found one after another, and again after damage."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_specimens import PACKETS, delivered, xml

from broker_assets.telemetry.packets.files import read
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER, read_binary


@pytest.mark.parametrize("prefix", [b"", bytes(GROUND_HEADER), b"\x00\x00\x00\x00_" + bytes(71)])
@pytest.mark.parametrize("chunk", [3, 10**6])
def test_packets_one_after_another(prefix: bytes, chunk: int) -> None:
    packets, bad = delivered(read_binary(io.BytesIO(b"".join(prefix + packet for packet in PACKETS)), "b", chunk=chunk))
    assert packets == PACKETS
    assert bad == []


def test_binary_files_are_read_on_after_damage() -> None:
    joined = PACKETS[0] + b"\xff" * 50 + b"".join(PACKETS[1:4]) + PACKETS[4][:-9] + b"".join(PACKETS[5:])
    packets, bad = delivered(read(io.BytesIO(joined)))
    assert packets == PACKETS[:4] + PACKETS[5:]
    assert [len(item.data) for item in bad] == [50, len(PACKETS[4]) - 9]
    assert bad[1].reason == "the packet is truncated"


def test_a_binary_file_cut_in_its_last_packet() -> None:
    packets, bad = delivered(read(io.BytesIO(b"".join(PACKETS)[:-5])))
    assert packets == PACKETS[:-1]
    assert [item.reason for item in bad] == ["the packet is truncated"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_of_a_binary_file_are_accounted_for(data: bytes) -> None:
    found = list(read_binary(io.BytesIO(data), "b"))
    assert b"".join(item.data for item in found) == data


IDLE = [bytes.fromhex("07ffc000") + (size - 1).to_bytes(2, "big") + b"\x55" * size for size in (1, 4, 10, 70)]
BARE = [bytes.fromhex("05bcc001") + (size - 1).to_bytes(2, "big") + b"\x2a" * size for size in (1, 20, 300)]
"""Packets without secondary header that are not idle."""
MIXED = st.lists(st.sampled_from([*PACKETS, *IDLE, *BARE]), min_size=1, max_size=20)


@pytest.mark.parametrize("prefix", [b"", bytes(GROUND_HEADER)])
@given(MIXED)
def test_idle_packets_and_packets_without_header_cost_no_other(prefix: bytes, packets: list[bytes]) -> None:
    """Idle ones are passed over, others without secondary header are named; in any order and number."""
    found, bad = delivered(read_binary(io.BytesIO(b"".join(prefix + packet for packet in packets)), "b"))
    assert found == [packet for packet in packets if packet in PACKETS]
    assert b"".join(item.data for item in bad) == b"".join(prefix + packet for packet in packets if packet in BARE)


@given(MIXED, st.booleans())
def test_idle_packets_in_text(packets: list[bytes], as_xml: bool) -> None:
    content = xml(packets) if as_xml else "\n".join(packet.hex() for packet in packets).encode()
    found, bad = delivered(read(io.BytesIO(content)))
    assert found == [packet for packet in packets if packet in PACKETS]
    if as_xml:
        assert [item.reason for item in bad] == ["the packet has no secondary header"] * sum(p in BARE for p in packets)

"""Packets in plain bytes: found one after another, and again after damage."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_specimens import PACKETS, delivered

from broker_assets.telemetry import RawPacket
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
    assert bad[1].reason == "the packet is cut"


def test_a_binary_file_cut_in_its_last_packet() -> None:
    packets, bad = delivered(read(io.BytesIO(b"".join(PACKETS)[:-5])))
    assert packets == PACKETS[:-1]
    assert [item.reason for item in bad] == ["the packet is cut"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_of_a_binary_file_are_accounted_for(data: bytes) -> None:
    found = list(read_binary(io.BytesIO(data), "b"))
    assert sum(len(item.data) for item in found) == len(data) or any(isinstance(i, RawPacket) for i in found)

"""Received packets in the store: once each, with the days that they touch, damage apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_inputs import open_database, open_inputs, packet_pool

from broker_assets.telemetry import InstrumentDatabase, RawPacket, decode
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.packets.batches import BadPacket
from broker_assets.telemetry.packets.encoding import encode
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive_again, receive_found, storable, time_span

__all__ = ["open_database", "open_inputs", "packet_pool"]


@given(st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)))
def test_any_file_name_is_storable(name: str) -> None:
    stored = storable(name)
    stored.encode()
    if not any("\udc80" <= letter <= "\udcff" for letter in name):
        assert stored == name


def test_packets_are_new_once(tmp_path: Path, packet_pool: list[RawPacket], open_database: InstrumentDatabase) -> None:
    with PacketStore(tmp_path) as store:
        first = receive_found(packet_pool, "one", store, open_database)
        assert (first.name, first.packets, first.new) == ("one", len(packet_pool), len(packet_pool))
        assert not first.bad
        again = receive_found(packet_pool, "one", store, open_database)
        assert again.new == 0
        assert again.touched == first.touched, "a run may have ended before it made their files"


def test_damaged_pieces_are_kept_apart(
    tmp_path: Path, packet_pool: list[RawPacket], open_database: InstrumentDatabase
) -> None:
    unreadable = BadPacket("not hexadecimal", b"\x00zz", "one", 12)
    cut = RawPacket(packet_pool[0].data[:-3], "one", 99)
    with PacketStore(tmp_path) as store:
        received = receive_found([packet_pool[1], unreadable, cut], "one", store, open_database)
        assert received.new == 1
        assert {bad.data for bad in received.bad} == {unreadable.data, cut.data}
        assert all(bad.reason for bad in received.bad)


def test_packets_of_unknown_kinds_are_decoded_once_a_database_knows_them(
    tmp_path: Path, open_database: InstrumentDatabase
) -> None:
    known = encode(open_database, (21, 6, 43), {"NIX00120": 43, "NIX00294": 1, "NIX00293": [1]})
    unknown = known[:8] + bytes([99]) + known[9:]
    with PacketStore(tmp_path) as store:
        received = receive_found([RawPacket(unknown, "one")], "one", store, open_database)
        assert len(received.bad) == 1
        assert len(store.undecoded()) == 1
        # the same database does not know it any better: nothing is touched
        again = receive_again(store, open_database)
        assert (again.new, again.touched) == (0, Touched())


def test_time_spans(packet_pool: list[RawPacket], open_database: InstrumentDatabase) -> None:
    structures = decode([packet.data for packet in packet_pool], open_database).structures
    assert len(structures) > 3
    for structure in structures:
        first, last = time_span(structure)
        assert len(first) == len(last) == len(structure)
        assert (first <= last).all(), structure.key
        if structure.key[:2] != (21, 6):
            assert (first == structure.headers.scet).all(), "packets without data have the time of their header"


def test_only_packets_with_time_bins_span_time(packet_pool: list[RawPacket], open_database: InstrumentDatabase) -> None:
    decoded = decode([packet.data for packet in packet_pool], open_database)
    spans = {structure.key: time_span(structure) for structure in decoded.structures}
    if (21, 6, 30) not in spans:
        pytest.skip("no light curve in the pool")
    first, last = spans[21, 6, 30]
    assert (last > first).any()

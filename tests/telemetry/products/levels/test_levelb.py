"""Raw packets as a product: one packet per place whatever their arrival, and files that give the packets back."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet
from broker_assets.telemetry.packets.headers import parse_primary
from broker_assets.telemetry.products.files.tables import rows
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.levels.levelb import levelb_file, unique_packets
from broker_assets.telemetry.reception.packet_store import StoredPacket

START = 664156800


def stored(
    second: int, count: int, content: bytes, *, failure: str | None = None, request: tuple[int, int] | None = None
) -> StoredPacket:
    header = PacketHeader(START + second, 5, count)
    data = telemetry_packet((21, 6, None), content, header)
    raw = RawPacket(data, f"file{second % 2}.xml", 7, None if second == 1 else second)
    return StoredPacket(raw, hashlib.sha256(data).digest(), (START + second) << 16 | 5, count, request, failure)


claims = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.binary(max_size=2), st.booleans()), min_size=1, max_size=10
)


@given(claims, st.integers(0, 100))
def test_one_packet_for_each_place_in_any_order(listed: list[tuple[int, int, bytes, bool]], seed: int) -> None:
    packets = [stored(at, n, content, failure="cut" if bad else None) for at, n, content, bad in listed]
    found = unique_packets(packets)
    places = [(packet.scet, packet.sequence_count) for packet in found]
    assert places == sorted({(packet.scet, packet.sequence_count) for packet in packets})
    for packet in found:
        rivals = [
            other for other in packets if (other.scet, other.sequence_count) == (packet.scet, packet.sequence_count)
        ]
        assert (packet.failure is None) == any(other.failure is None for other in rivals), "a readable one is preferred"
    random.Random(seed).shuffle(packets)
    assert unique_packets(packets) == found


@pytest.mark.parametrize(("key", "request_"), [((21, 6, 30), None), ((21, 6, 21), (50001, 7))])
def test_the_file_holds_the_packets_and_their_headers(key: Any, request_: tuple[int, int] | None) -> None:
    packets = [stored(second, 16383 - second, bytes([second]) * 9, request=request_) for second in range(3)]
    cards, (control, data) = levelb_file(kind_of(key), "name.fits", packets, "v0.0.1")
    assert (control.name, data.name) == ("CONTROL", "DATA")
    assert rows(control.table) == rows(data.table) == 3
    assert [bytes.fromhex(text.decode()) for text in data.table["data"].values] == [p.raw.data for p in packets]
    headers = [parse_primary(packet.raw.data) for packet in packets]
    for name in ("process_id", "packet_category", "sequence_flag", "sequence_count", "data_length"):
        assert control.table[name].values.tolist() == [getattr(header, name) for header in headers]
    assert control.table["scet_coarse"].values.tolist() == [START, START + 1, START + 2]
    assert control.table["scet_fine"].values.tolist() == [5, 5, 5]
    assert control.table["packet"].values.tolist() == [0, -1, 2], "-1 where the file numbers none"
    assert control.table["raw_file"].values.tolist() == ["file0.xml", "file1.xml", "file0.xml"]
    assert control.table["ssid"].values.tolist() == [key[2]] * 3
    expected = [False] * 3 if request_ is None else [list(request_)] * 3
    assert np.asarray(control.table["request_id"].values).tolist() == expected
    values = {name: value for name, value, _ in cards}
    assert (values["FILENAME"], values["LEVEL"]) == ("name.fits", "LB")

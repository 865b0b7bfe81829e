"""Headers of single packets and of batches."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet
from broker_assets.telemetry.packets.headers import parse_headers, parse_primary, parse_telecommand

HEADERS = st.builds(
    PacketHeader,
    coarse=st.integers(0, 2**32 - 1),
    fine=st.integers(0, 2**16 - 1),
    sequence_count=st.integers(0, 2**14 - 1),
    sequence_flag=st.integers(0, 3),
    process_id=st.integers(0, 127),
    packet_category=st.integers(0, 15),
)


@given(st.lists(HEADERS, min_size=1, max_size=5), st.binary(max_size=40))
def test_batches_and_single_packets_agree(given_headers: list[PacketHeader], data: bytes) -> None:
    packets = [telemetry_packet((21, 6, 30), data, header) for header in given_headers]
    buffer = np.frombuffer(b"".join(packets), dtype=np.uint8)
    headers = parse_headers(buffer, np.arange(len(packets)) * len(packets[0]))
    for row, (packet, header) in enumerate(zip(packets, given_headers, strict=True)):
        primary = headers.primary(row)
        assert primary == parse_primary(packet)
        assert primary.length == len(packet)
        assert primary.apid == header.process_id << 4 | header.packet_category == headers.apid[row]
        assert primary.packet_id == int.from_bytes(packet[:2], "big")
        secondary = headers.secondary(row)
        assert asdict(secondary) == {
            "pus_version": 1, "service_type": 21, "service_subtype": 6, "destination_id": 0,
            "scet_coarse": header.coarse, "scet_fine": header.fine,
        }  # fmt: skip
        assert secondary.synchronised == (header.coarse < 2**31) == headers.synchronised[row]
        assert headers.scet[row] == header.coarse * 65536 + header.fine


def test_cut_headers_are_refused() -> None:
    with pytest.raises(ValueError, match="5 bytes are not a packet"):
        parse_primary(bytes(5))
    with pytest.raises(ValueError, match="truncated in its header"):
        parse_telecommand(bytes(9))

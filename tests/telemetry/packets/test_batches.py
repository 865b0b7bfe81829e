"""Batches of packets."""

from __future__ import annotations

from packet_specimens import PACKETS

from broker_assets.telemetry import BadPacket, RawPacket
from broker_assets.telemetry.packets.batches import batched


def test_batches_keep_everything() -> None:
    found = [RawPacket(packet) for packet in PACKETS] + [BadPacket("bad", b"x")]
    batches = list(batched(found, batch_bytes=200))
    assert len(batches) > 1
    assert [packet.data for batch in batches for packet in batch.packets] == PACKETS
    assert sum(len(batch.bad) for batch in batches) == 1

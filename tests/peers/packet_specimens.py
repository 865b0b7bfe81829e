"""A few packets, a file of them, and what readers find in it."""

from __future__ import annotations

from collections.abc import Iterator

from broker_assets.telemetry import BadPacket, RawPacket
from broker_assets.telemetry.packets.encoding import telemetry_packet, to_xml
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER

PACKETS = [telemetry_packet((21, 6, None), bytes([number] * (number * 7))) for number in range(1, 9)]


def xml(packets: list[bytes] = PACKETS, *, ground_header: bytes | None = bytes(GROUND_HEADER)) -> bytes:
    """A telemetry file."""
    return b"".join(to_xml(packets, ground_header=ground_header))


def delivered(found: Iterator[RawPacket | BadPacket]) -> tuple[list[bytes], list[BadPacket]]:
    """Packets and bad places."""
    items = list(found)
    return [i.data for i in items if isinstance(i, RawPacket)], [i for i in items if isinstance(i, BadPacket)]

"""Answers to requests come in sequences of packets; only whole ones become products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker_assets.telemetry.packets.headers import parse_primary
from broker_assets.telemetry.reception.packet_store import StoredPacket

CONTINUED, FIRST, LAST, STANDALONE = 0, 1, 2, 3
"""Sequence flags."""
COUNTS = 1 << 14
"""Sequence counts roll over here."""


@dataclass(frozen=True)
class PacketSequence:
    """Packets that belong together, and what is missing; empty if nothing is."""

    packets: tuple[StoredPacket, ...]
    missing: str = ""


def sequences(packets: Sequence[StoredPacket]) -> list[PacketSequence]:
    """Cut packets, in their order, into sequences by their flags.

    A sequence is whole if it is one standalone packet, or begins with a first, ends with a last and has every count
    between: counts run per application process, so a hole is a lost packet.
    """
    groups: list[list[StoredPacket]] = []
    still_open = False
    for packet in packets:
        flag = parse_primary(packet.raw.data).sequence_flag
        if flag in (STANDALONE, FIRST) or not still_open:
            groups.append([packet])
        else:
            groups[-1].append(packet)
        still_open = flag in (FIRST, CONTINUED)
    return [PacketSequence(tuple(group), _missing(group)) for group in groups]


def _missing(group: Sequence[StoredPacket]) -> str:
    flags = [parse_primary(packet.raw.data).sequence_flag for packet in group]
    if flags == [STANDALONE]:
        return ""
    if flags[0] != FIRST:
        return "its first packet is missing"
    if flags[-1] != LAST:
        return "its last packet is missing"
    span = (group[-1].sequence_count - group[0].sequence_count) % COUNTS + 1
    if span != len(group):
        return f"{span - len(group)} of {span} packets are missing"
    return ""

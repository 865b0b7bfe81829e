"""Packets as read from a file, one by one or as one buffer for array passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING = 16
"""Bytes after the last packet of a buffer, so that a header or a 64-bit load never reads outside it."""


@dataclass(frozen=True, slots=True)
class RawPacket:
    """A space packet and its origin."""

    data: bytes
    file: str = ""
    position: int = 0
    """Byte of the file at which the packet, or the element that holds it, begins."""
    number: int | None = None
    """`packetID` of an XML element."""


@dataclass(frozen=True, slots=True)
class BadPacket:
    """Something in a file, or a packet, that cannot be used."""

    reason: str
    data: bytes
    """The bytes as found: those of the packet if there is one, else of the file."""
    file: str = ""
    position: int = 0
    number: int | None = None


@dataclass(frozen=True)
class PacketBatch:
    """Packets in one buffer."""

    data: NDArray[np.uint8]
    """All packets, one after another, and `PADDING` bytes."""
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    packets: tuple[RawPacket, ...]
    """The packets with their origin, in the order of the buffer."""
    bad: tuple[BadPacket, ...] = ()
    """What could not be read between them."""

    @classmethod
    def of(cls, packets: Iterable[bytes | RawPacket], bad: Iterable[BadPacket] = ()) -> PacketBatch:
        """Put packets into one buffer.

        Examples
        --------
        >>> PacketBatch.of([b"ab", b"cde"]).starts.tolist()
        [0, 2]
        """
        raw = tuple(packet if isinstance(packet, RawPacket) else RawPacket(packet) for packet in packets)
        lengths = np.array([len(packet.data) for packet in raw], dtype=np.int64)
        buffer = b"".join([*(packet.data for packet in raw), bytes(PADDING)])
        return cls(np.frombuffer(buffer, dtype=np.uint8), np.cumsum(lengths) - lengths, lengths, raw, tuple(bad))

    def __len__(self) -> int:
        return len(self.packets)

    def packet(self, row: int) -> bytes:
        """Bytes of one packet."""
        return self.packets[row].data


def batched(found: Iterable[RawPacket | BadPacket], *, batch_bytes: int = 1024**2) -> Iterator[PacketBatch]:
    """Collect what a reader finds into batches.

    Parameters
    ----------
    found : iterable of RawPacket or BadPacket
        As `files.read` gives them.
    batch_bytes : int
        Approximate bytes of packets in a batch; bounds memory, not the result. The columns of a batch are about twenty
        times larger: beyond some megabytes, allocating memory takes longer than decoding.
    """
    packets: list[RawPacket] = []
    bad: list[BadPacket] = []
    size = 0
    for item in found:
        if isinstance(item, BadPacket):
            bad.append(item)
        else:
            packets.append(item)
        size += len(item.data) + 64
        if size >= batch_bytes:
            yield PacketBatch.of(packets, bad)
            packets, bad, size = [], [], 0
    if packets or bad:
        yield PacketBatch.of(packets, bad)


def as_batch(packets: PacketBatch | Sequence[bytes | RawPacket]) -> PacketBatch:
    """The batch itself, or one made from the packets."""
    return packets if isinstance(packets, PacketBatch) else PacketBatch.of(packets)

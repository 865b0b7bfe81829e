"""CCSDS space packet and PUS headers, of one packet or of a whole batch.

All fields are big-endian. A telemetry packet has 6 bytes of primary and 10 of secondary header, a telecommand 6 and 4.
On-board time is (coarse, fine): seconds and 1/65536 seconds; the top bit of coarse means that the clock was not
synchronised; the value is used as received.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIMARY_BYTES = 6
TELEMETRY_BYTES = 16
TELECOMMAND_BYTES = 10
FINE_PER_SECOND = 65536
LARGEST_PACKET = 65535 + 7
NOT_SYNCHRONISED = 1 << 31


@dataclass(frozen=True)
class PrimaryHeader:
    """The six bytes every space packet begins with."""

    version: int
    packet_type: int
    """0 telemetry, 1 telecommand."""
    header_flag: int
    """1 if a secondary header follows."""
    process_id: int
    packet_category: int
    sequence_flag: int
    """3 standalone, 1 first, 0 continuation, 2 last."""
    sequence_count: int
    data_length: int
    """Bytes of the packet less 7."""

    @property
    def apid(self) -> int:
        """Application process id: process id and category."""
        return self.process_id << 4 | self.packet_category

    @property
    def packet_id(self) -> int:
        """First 16 bits."""
        return self.version << 13 | self.packet_type << 12 | self.header_flag << 11 | self.apid

    @property
    def length(self) -> int:
        """Bytes of the whole packet."""
        return self.data_length + 7


@dataclass(frozen=True)
class TelemetryHeader:
    """Secondary header of telemetry."""

    pus_version: int
    service_type: int
    service_subtype: int
    destination_id: int
    scet_coarse: int
    """Seconds; the top bit is set where the clock was not synchronised."""
    scet_fine: int
    """1/65536 seconds."""

    @property
    def synchronised(self) -> bool:
        """Whether the on-board clock was synchronised."""
        return self.scet_coarse < NOT_SYNCHRONISED


@dataclass(frozen=True)
class TelecommandHeader:
    """Secondary header of a telecommand."""

    pus_version: int
    acknowledge: int
    service_type: int
    service_subtype: int
    source_id: int


def parse_primary(data: bytes) -> PrimaryHeader:
    """Read the primary header.

    Raises
    ------
    ValueError
        If there are fewer than six bytes.

    Examples
    --------
    >>> header = parse_primary(bytes.fromhex("0dacc61300090310"))
    >>> header.apid, header.sequence_flag, header.sequence_count, header.length
    (1452, 3, 1555, 16)
    """
    if len(data) < PRIMARY_BYTES:
        raise ValueError(f"{len(data)} bytes are not a packet; the primary header alone has {PRIMARY_BYTES}")
    word, sequence, length = (int.from_bytes(data[i : i + 2], "big") for i in (0, 2, 4))
    return PrimaryHeader(
        version=word >> 13,
        packet_type=word >> 12 & 1,
        header_flag=word >> 11 & 1,
        process_id=word >> 4 & 0x7F,
        packet_category=word & 0xF,
        sequence_flag=sequence >> 14,
        sequence_count=sequence & 0x3FFF,
        data_length=length,
    )


def parse_telecommand(data: bytes) -> TelecommandHeader:
    """Read the secondary header of a telecommand packet.

    Raises
    ------
    ValueError
        If the packet is truncated.
    """
    if len(data) < TELECOMMAND_BYTES:
        raise ValueError(f"telecommand of {len(data)} bytes is truncated in its header ({TELECOMMAND_BYTES} bytes)")
    first, service, subservice, source = data[6:10]
    return TelecommandHeader(first >> 4 & 7, first & 0xF, service, subservice, source)


@dataclass(frozen=True)
class Headers:
    """Header fields of a batch, one element per packet."""

    version: NDArray[np.int64]
    packet_type: NDArray[np.int64]
    header_flag: NDArray[np.int64]
    process_id: NDArray[np.int64]
    packet_category: NDArray[np.int64]
    sequence_flag: NDArray[np.int64]
    sequence_count: NDArray[np.int64]
    data_length: NDArray[np.int64]
    pus_version: NDArray[np.int64]
    service_type: NDArray[np.int64]
    service_subtype: NDArray[np.int64]
    destination_id: NDArray[np.int64]
    scet_coarse: NDArray[np.int64]
    scet_fine: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.version)

    @property
    def apid(self) -> NDArray[np.int64]:
        """Application process id."""
        return self.process_id << 4 | self.packet_category

    @property
    def synchronised(self) -> NDArray[np.bool_]:
        """Whether the on-board clock was synchronised."""
        return self.scet_coarse < NOT_SYNCHRONISED

    @property
    def scet(self) -> NDArray[np.int64]:
        """On-board time as one number, 1/65536 seconds."""
        return np.asarray(self.scet_coarse << 16 | self.scet_fine)

    def take(self, rows: NDArray[Any]) -> Headers:
        """The headers of some packets."""
        return Headers(*(getattr(self, field.name)[rows] for field in fields(self)))

    def primary(self, row: int) -> PrimaryHeader:
        """Primary header of one packet."""
        return PrimaryHeader(*(int(getattr(self, field.name)[row]) for field in fields(PrimaryHeader)))

    def secondary(self, row: int) -> TelemetryHeader:
        """Telemetry secondary header of one packet."""
        return TelemetryHeader(*(int(getattr(self, field.name)[row]) for field in fields(TelemetryHeader)))


def parse_headers(data: NDArray[np.uint8], starts: NDArray[np.int64]) -> Headers:
    """Read the headers of telemetry packets that lie in one buffer.

    Parameters
    ----------
    data : (bytes,) uint8 array
        The buffer; at least 16 bytes must follow each start.
    starts : (n,) int64 array
        First byte of each packet.
    """
    head: NDArray[np.int64] = data[starts[:, None] + np.arange(TELEMETRY_BYTES)].astype(np.int64)

    def number(first: int, count: int) -> NDArray[np.int64]:
        value = head[:, first]
        for i in range(first + 1, first + count):
            value = value << 8 | head[:, i]
        return np.asarray(value)

    word, sequence = number(0, 2), number(2, 2)
    return Headers(
        version=word >> 13,
        packet_type=word >> 12 & 1,
        header_flag=word >> 11 & 1,
        process_id=word >> 4 & 0x7F,
        packet_category=word & 0xF,
        sequence_flag=sequence >> 14,
        sequence_count=sequence & 0x3FFF,
        data_length=number(4, 2),
        pus_version=head[:, 6] >> 4 & 7,
        service_type=head[:, 7],
        service_subtype=head[:, 8],
        destination_id=head[:, 9],
        scet_coarse=number(10, 4),
        scet_fine=number(14, 2),
    )

"""Results of decoding: columns per packet kind, and the packets that failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.execution import Walked
from broker_assets.telemetry.decoding.plan import Plan
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets.batches import BadPacket, PacketBatch
from broker_assets.telemetry.packets.headers import Headers, TelecommandHeader

if TYPE_CHECKING:
    from broker_assets.telemetry.decoding.packet_view import DecodedPacket


@dataclass(frozen=True)
class DecodedColumn:
    """One parameter of all packets of a kind; values are in stream order, packet after packet."""

    name: str
    description: str
    kind: str
    """`raw`, `compressed` or `engineering`."""
    group: int
    """Repeat group that holds the parameter; 0 is the packet itself."""
    depth: int
    """Nesting of that group; 0 gives one value per packet."""
    raw: NDArray[Any]
    """(m,) integers as in the packet, smallest type that fits; Python integers (object) beyond 64 bits."""
    value: NDArray[Any] | None
    """(m,) decompressed (uint64, int64) or engineering (float64; texts: object) value; None for a plain number."""
    variance: NDArray[np.float64] | None
    """(m,) variance of a decompressed value."""
    unit: str | None
    """Unit as the database writes it; only engineering values have one."""
    unit_out: str | None
    """Unit of `value`: seconds `s`, kelvin `K` where the database says `degC`."""
    calibration: str | None
    """Name of the calibration, also where `value` is the raw value by decision."""
    scheme: NDArray[np.int64] | None
    """(n, 3) compression scheme (s, k, m) of each packet."""
    scheme_parameters: tuple[str, str, str] | None
    """Where the scheme was read; None if it was derived from what the packet says."""
    offsets: NDArray[np.int64]
    """(n + 1,) values of packet i are `[offsets[i]:offsets[i + 1]]`."""
    unmatched: int = 0
    """Values for which the text table has no text; they stay numbers."""
    problem: str | None = None
    """Why there is no engineering value although the database names a calibration."""

    def of(self, row: int) -> slice:
        """Where the values of one packet are."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    @property
    def final(self) -> NDArray[Any]:
        """`value` where there is one, else `raw`."""
        return self.raw if self.value is None else self.value


@dataclass(frozen=True)
class DecodedStructure:
    """All packets of one kind, decoded with one database."""

    batch: PacketBatch
    plan: Plan
    walked: Walked
    packets: NDArray[np.int64]
    """(n,) rows of the batch."""
    headers: Headers
    """Of these n packets."""
    database_version: str
    valid_version: str
    """Version valid at the time of the packets; differs from `database_version` where a substitute is used."""
    columns: dict[str, DecodedColumn]
    """By parameter name, in stream order; a name that occurs twice in a layout has `NAME:2` for the second row."""
    request: NDArray[np.int64] | None
    """(n, 2) telecommand sequence control and request id, for answers to requests; (0, 0) if the layout lacks them."""

    @property
    def key(self) -> StructureKey:
        """(service, subservice, ssid or None)."""
        return self.plan.structure.key

    @property
    def spid(self) -> int:
        """Number of the kind in the database."""
        return self.plan.structure.spid

    @property
    def description(self) -> str:
        """Name of the kind in the database."""
        return self.plan.structure.description

    @property
    def bits(self) -> NDArray[np.int64]:
        """(n,) bit of each packet at which reading ended."""
        return self.walked.bits

    def __len__(self) -> int:
        return len(self.packets)

    def packet(self, row: int) -> DecodedPacket:
        """One packet of the structure (`row` from 0 to n - 1) as plain Python values."""
        from broker_assets.telemetry.decoding.packet_view import DecodedPacket

        return DecodedPacket(self, row)


@dataclass(frozen=True)
class Telecommand:
    """A telecommand packet among the telemetry: only its headers are read."""

    packet: int
    """Row of the batch."""
    header: TelecommandHeader


@dataclass(frozen=True)
class Failure:
    """A packet that could not be decoded."""

    packet: int
    """Row of the batch."""
    reason: str


@dataclass(frozen=True)
class DecodedBatch:
    """Every packet of a batch, either in a structure, or a telecommand, or a failure."""

    batch: PacketBatch
    structures: tuple[DecodedStructure, ...]
    telecommands: tuple[Telecommand, ...]
    failures: tuple[Failure, ...]
    """Ordered by packet."""

    @cached_property
    def _places(self) -> dict[int, tuple[DecodedStructure, int]]:
        return {
            int(packet): (structure, row)
            for structure in self.structures
            for row, packet in enumerate(structure.packets)
        }

    def structure(self, service: int, subservice: int, ssid: int | None = None) -> list[DecodedStructure]:
        """The structures of a packet kind: one per database version met."""
        return [found for found in self.structures if found.key == (service, subservice, ssid)]

    def packet(self, row: int) -> DecodedPacket | None:
        """One packet of the batch; None for a telecommand or a failure."""
        place = self._places.get(row)
        return place[0].packet(place[1]) if place is not None else None

    @property
    def bad(self) -> list[BadPacket]:
        """What the reader could not read and what could not be decoded, for quarantine."""
        return [*self.batch.bad, *(bad_packet(self.batch, failure) for failure in self.failures)]


def bad_packet(batch: PacketBatch, failure: Failure) -> BadPacket:
    """A failure with its bytes and origin."""
    packet = batch.packets[failure.packet]
    return BadPacket(failure.reason, packet.data, packet.file, packet.position, packet.number)

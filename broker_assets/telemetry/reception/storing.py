"""Puts received files into the packet store: each packet with its kind, times and request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.archive.units import Touched, Unit
from broker_assets.telemetry.decoding.decoder import decode
from broker_assets.telemetry.decoding.results import DecodedBatch, DecodedStructure
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases, MissingDatabaseVersion
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.packets import clock, files
from broker_assets.telemetry.packets.batches import BadPacket, PacketBatch, RawPacket, batched
from broker_assets.telemetry.packets.headers import TELEMETRY_BYTES, Headers, parse_headers
from broker_assets.telemetry.packets.sources import refuse_special
from broker_assets.telemetry.products.builders.measured import PacketSet
from broker_assets.telemetry.products.builders.quicklook import integration_ticks
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore
from broker_assets.telemetry.reception.shared_counts import requests_sharing

HASHED_AT_A_TIME = 1 << 20
_REQUESTED = (20, 21, 22, 23, 24)
"""Structure ids of answers to requests, which are sent long after the time of their data."""
KEPT_BYTES = 1 << 24
"""Bytes of bad packets kept in memory for a file, at most."""
_SAMPLES = {30: "NIX00274", 31: "NIX00274", 33: "NIX00281", 34: "NIX00283"}
"""Parameter with one value per time bin, by structure id of quick-look packets."""


@dataclass(frozen=True)
class Received:
    """The result of receiving a file."""

    name: str
    packets: int
    new: int
    """Number of packets that were not known, or that now have an earlier origin."""
    touched: Touched
    """Product files of its packets, including known ones: an earlier run may have died before making them."""
    bad: list[BadPacket]
    """What cannot be used; beyond `KEPT_BYTES` without the bytes, all of which are in the store's quarantine."""
    telecommands: int = 0


def receive(
    path: Path,
    store: PacketStore,
    databases: InstrumentDatabase | InstrumentDatabases,
    limits: files.FileLimits = files.FileLimits(),
) -> Received:
    """Put the packets of a file into the store; memory does not grow with the file.

    Raises
    ------
    UnknownFile
        If it is not a file of packets, or exceeds a limit.
    OSError
        If it cannot be read or the store cannot be written.
    """
    refuse_special(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASHED_AT_A_TIME):
            digest.update(block)
    name = storable(path.name)
    received = receive_found(files.read(path, name=name, limits=limits), name, store, databases)
    store.add_file(name, digest.hexdigest(), received.packets, len(received.bad))
    return received


def storable(name: str) -> str:
    r"""A file name as text that any database accepts: bytes that are not UTF-8 as %XX.

    Examples
    --------
    >>> storable("TM_é.xml"), storable("TM_\udcff.xml")
    ('TM_é.xml', 'TM_%FF.xml')
    """
    return "".join(f"%{ord(letter) - 0xDC00:02X}" if "\udc80" <= letter <= "\udcff" else letter for letter in name)


def receive_found(
    found: Iterable[RawPacket | BadPacket],
    name: str,
    store: PacketStore,
    databases: InstrumentDatabase | InstrumentDatabases,
) -> Received:
    """Put packets into the store."""
    new = 0
    touched = Touched()
    bad: list[BadPacket] = []
    packets = telecommands = kept = 0
    for batch in batched(found):
        decoded = decode(batch, databases)
        packets += len(batch)
        telecommands += len(decoded.telecommands)
        for item in decoded.bad:
            kept += len(item.data)
            bad.append(item if kept <= KEPT_BYTES else replace(item, data=b""))
        described = list(_described(decoded, databases))
        new += len(store.add(described, decoded.bad))
        touched |= Touched.by(described) | _sharing(described, store)
    return Received(name, packets, new, touched, bad, telecommands)


def _sharing(packets: Sequence[NewPacket], store: PacketStore) -> Touched:
    """Requests between whose sequence counts packets are: packets of them that seemed lost may have arrived."""
    sharing = requests_sharing(store, [packet.place for packet in packets])
    return Touched(frozenset(), frozenset(Unit(key, request=request) for key, request in sharing))


def receive_again(store: PacketStore, databases: InstrumentDatabase | InstrumentDatabases) -> Received:
    """Decode stored packets again that could not be decoded on arrival: databases may describe them now."""
    undecoded = store.undecoded()
    before = Touched.by(
        NewPacket(packet.raw, key, packet.scet, packet.sequence_count, packet.scet, packet.scet)
        for key, packet in undecoded
    )
    received = receive_found([packet.raw for _, packet in undecoded], "store", store, databases)
    # Files of the kind to which they were assigned before lose them.
    return (
        replace(received, touched=received.touched | before) if received.new else replace(received, touched=Touched())
    )


def _described(decoded: DecodedBatch, databases: InstrumentDatabase | InstrumentDatabases) -> Iterator[NewPacket]:
    batch = decoded.batch
    for structure in decoded.structures:
        first, last = time_span(structure)
        scet = structure.headers.scet
        for row, packet in enumerate(structure.packets.tolist()):
            request = None if structure.request is None else tuple(structure.request[row].tolist())
            yield NewPacket(
                batch.packets[packet],
                structure.key,
                int(scet[row]),
                int(structure.headers.sequence_count[row]),
                int(first[row]),
                int(last[row]),
                request,  # type: ignore[arg-type]
            )
    failed = [failure for failure in decoded.failures if len(batch.packet(failure.packet)) >= TELEMETRY_BYTES]
    headers = parse_headers(batch.data, batch.starts)
    for failure in failed:
        key = _key(batch, headers, failure.packet, databases)
        if key is not None:
            time = int(headers.scet[failure.packet])
            count = int(headers.sequence_count[failure.packet])
            yield NewPacket(batch.packets[failure.packet], key, time, count, time, time, None, failure.reason)


def _key(
    batch: PacketBatch, headers: Headers, row: int, databases: InstrumentDatabase | InstrumentDatabases
) -> StructureKey | None:
    """Kind of a packet that cannot be decoded; None if its headers are not valid."""
    whole = int(headers.data_length[row]) + 7 == int(batch.lengths[row])
    if not whole or headers.version[row] != 0 or headers.header_flag[row] == 0:
        return None
    service, subservice = int(headers.service_type[row]), int(headers.service_subtype[row])
    try:
        database = (
            databases
            if isinstance(databases, InstrumentDatabase)
            else databases.at(int(headers.scet_coarse[row]), int(headers.scet_fine[row])).database
        )
    except MissingDatabaseVersion:
        return service, subservice, None
    position = database.structure_id_positions.get((service, subservice))
    if position is None:
        return service, subservice, None
    first, width = position
    size = (width + 7) // 8
    data = batch.packet(row)[first : first + size]
    return service, subservice, int.from_bytes(data, "big") >> (size * 8 - width) if len(data) == size else None


def time_span(structure: DecodedStructure) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last centre of the time bins of each packet, ticks, which give the days to which its data belong.

    Answers to requests have the start of their data, other packets without time bins their header time.
    """
    scet = structure.headers.scet
    service, subservice, ssid = structure.key
    if (service, subservice) != (21, 6):
        return scet, scet
    none = np.empty(0, dtype=np.int64)
    packets = PacketSet(structure, none, none, none)
    if ssid in _REQUESTED and "NIX00402" in structure.columns:
        stamp = packets.raw("NIX00402").astype(np.int64)
        begin = np.where(stamp >> 32, stamp, stamp << 16)  # as masks.measurement_time, packet by packet
        return begin, begin
    if ssid == 42 and "NIX00445" in structure.columns:
        return packets.measured_at, packets.measured_at
    if ssid not in (30, 31, 32, 33, 34, 41):
        return scet, scet
    start = packets.measured_at
    if ssid == 41:
        middle = start + clock.from_seconds(packets.raw("NIX00122").astype(np.float64)) // 2
        return middle, middle
    length = integration_ticks(packets)
    if ssid == 32:
        column = packets.column("NIX00485")
        counts = np.diff(column.offsets)
        last = np.zeros(len(structure), dtype=np.int64)
        filled = counts > 0
        last[filled] = column.raw[column.offsets[1:][filled] - 1]
    else:
        last = np.maximum(np.diff(packets.column(_SAMPLES[ssid]).offsets) - 1, 0)
    return start + length // 2, start + last * length + length // 2

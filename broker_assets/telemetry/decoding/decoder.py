"""Packets to columns: sorted by kind, each kind read, decompressed and calibrated in array passes."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.execution import Walked, compiled_loaded, read_compiled, read_plain
from broker_assets.telemetry.decoding.packet_schemes import PacketSchemes
from broker_assets.telemetry.decoding.plan import Plan, plan_of
from broker_assets.telemetry.decoding.results import DecodedBatch, DecodedColumn, DecodedStructure, Failure, Telecommand
from broker_assets.telemetry.idb.database import InstrumentDatabase, Structure
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases, MissingDatabaseVersion, SelectedDatabase
from broker_assets.telemetry.idb.instrument_rules import Instrument
from broker_assets.telemetry.idb.layouts import UnsupportedLayout
from broker_assets.telemetry.packets.batches import PacketBatch, RawPacket, as_batch
from broker_assets.telemetry.packets.headers import (
    PRIMARY_BYTES,
    TELECOMMAND_BYTES,
    TELEMETRY_BYTES,
    Headers,
    parse_headers,
    parse_telecommand,
)

Engine = Literal["compiled", "plain", "auto"]
SMALL_BATCH = 32 * 1024
"""Bytes that the plain decoder reads before the compiled one would be loaded."""


def _engine(engine: Engine, batch: PacketBatch) -> Callable[..., Walked]:
    if engine == "auto":
        engine = "compiled" if compiled_loaded() or len(batch.data) > SMALL_BATCH else "plain"
    return read_compiled if engine == "compiled" else read_plain


def decode(
    packets: PacketBatch | Sequence[bytes | RawPacket],
    databases: InstrumentDatabase | InstrumentDatabases,
    *,
    engine: Engine = "compiled",
) -> DecodedBatch:
    """Decode packets of any kinds.

    Parameters
    ----------
    packets : PacketBatch, or sequence of bytes or RawPacket
        Whole space packets, primary header first, without any ground-segment header.
    databases : InstrumentDatabase or InstrumentDatabases
        One version for all packets, or versions chosen by the on-board time of each.
    engine : {"compiled", "plain", "auto"}
        The compiled walk, the plain decoder it is tested against, or "auto": the plain one for a few packets in a
        process that has not loaded the compiled one, so that a command for one packet need not wait for it. The result
        is the same.

    Returns
    -------
    DecodedBatch
        Each packet is in exactly one structure, telecommand or failure. No packet can make another fail.
    """
    batch = as_batch(packets)
    instrument = databases.instrument
    failures: list[Failure] = []
    telecommands: list[Telecommand] = []
    telemetry, headers = _sort(batch, instrument, telecommands, failures)
    structures: list[DecodedStructure] = []
    reader = _engine(engine, batch)
    for rows, selected in _select(databases, headers):
        if isinstance(selected, MissingDatabaseVersion):
            failures.extend(Failure(int(packet), str(selected)) for packet in telemetry[rows])
            continue
        for structure, members in _by_kind(batch, telemetry, headers, rows, selected, failures):
            decoded = _decode_kind(
                batch, telemetry[members], headers.take(members), structure, selected, reader, failures
            )
            if decoded is not None and len(decoded):
                structures.append(decoded)
    failures.sort(key=lambda failure: failure.packet)
    return DecodedBatch(batch, tuple(structures), tuple(telecommands), tuple(failures))


def _sort(
    batch: PacketBatch, instrument: Instrument, telecommands: list[Telecommand], failures: list[Failure]
) -> tuple[NDArray[np.int64], Headers]:
    """Rows of the telemetry packets with plausible headers, and those headers."""
    lengths, data = batch.lengths, batch.data
    # Thanks to the padding, headers of truncated packets can be read; these are refused before anything of them is
    # used.
    headers = parse_headers(data, batch.starts)
    process, category = instrument.telecommand_process
    telecommand = (headers.process_id == process) & (headers.packet_category == category)
    needed = np.where(telecommand, TELECOMMAND_BYTES, TELEMETRY_BYTES)
    checks: list[tuple[NDArray[np.bool_], Callable[[int], str]]] = [
        (lengths < PRIMARY_BYTES, lambda row: f"{lengths[row]} bytes are not a packet"),
        (headers.version != 0, lambda row: f"it is not a space packet: version {headers.version[row]} instead of 0"),
        (
            headers.data_length + 7 != lengths,
            lambda row: f"it has {lengths[row]} bytes and its header says {headers.data_length[row] + 7}",
        ),
        (headers.header_flag == 0, lambda _: "it has no secondary header"),
        (lengths < needed, lambda row: f"it has {lengths[row]} bytes and ends in its header"),
    ]
    good = np.ones(len(batch), dtype=bool)
    for wrong, reason in checks:
        failures.extend(Failure(int(row), reason(int(row))) for row in np.flatnonzero(good & wrong))
        good &= ~wrong
    telecommands.extend(
        Telecommand(int(row), parse_telecommand(batch.packet(int(row)))) for row in np.flatnonzero(good & telecommand)
    )
    rows = np.flatnonzero(good & ~telecommand)
    return rows, headers.take(rows)


def _select(
    databases: InstrumentDatabase | InstrumentDatabases, headers: Headers
) -> list[tuple[NDArray[np.int64], SelectedDatabase | MissingDatabaseVersion]]:
    if isinstance(databases, InstrumentDatabase):
        return [(np.arange(len(headers)), SelectedDatabase(databases, databases.version))]
    return databases.select(headers.scet_coarse, headers.scet_fine)


def _by_kind(
    batch: PacketBatch,
    telemetry: NDArray[np.int64],
    headers: Headers,
    rows: NDArray[np.int64],
    selected: SelectedDatabase,
    failures: list[Failure],
) -> Iterator[tuple[Structure, NDArray[np.int64]]]:
    """Rows of the telemetry that share a structure."""
    service = headers.service_type[rows] << 8 | headers.service_subtype[rows]
    for kind in np.unique(service):
        members = rows[service == kind]
        key = int(kind) >> 8, int(kind) & 0xFF
        position = selected.database.structure_id_positions.get(key)
        if position is None:
            identifiers = np.full(len(members), -1)
        else:
            first, width = position
            size = (width + 7) // 8
            packets = telemetry[members]
            cut = batch.lengths[packets] < first + size
            failures.extend(Failure(int(packet), "it ends before its structure id") for packet in packets[cut])
            members = members[~cut]
            starts = batch.starts[telemetry[members]] + first
            identifiers = np.zeros(len(members), dtype=np.int64)
            for byte in range(size):
                identifiers = identifiers << 8 | batch.data[starts + byte]
            identifiers >>= size * 8 - width
        for identifier in np.unique(identifiers):
            same = members[identifiers == identifier]
            structure_id = None if position is None else int(identifier)
            structure = selected.database.structure(*key, structure_id)
            if structure is None:
                name = ", ".join(str(part) for part in (*key, structure_id) if part is not None)
                reason = f"packet kind ({name}) is not in database {selected.database.version}"
                failures.extend(Failure(int(packet), reason) for packet in telemetry[same])
            else:
                yield structure, same


def _decode_kind(
    batch: PacketBatch,
    packets: NDArray[np.int64],
    headers: Headers,
    structure: Structure,
    selected: SelectedDatabase,
    read: Callable[..., Walked],
    failures: list[Failure],
) -> DecodedStructure | None:
    """All packets of one kind; those that fail are reported and left out."""
    database = selected.database
    try:
        plan = plan_of(database, structure, selected.valid_version)
    except UnsupportedLayout as unsupported:
        failures.extend(Failure(int(packet), str(unsupported)) for packet in packets)
        return None
    rows = np.arange(len(packets))
    if structure.checksum:
        # The CRC over a packet that ends in its own CRC is zero.
        wrong = np.array([binascii.crc_hqx(batch.packet(int(packet)), 0xFFFF) != 0 for packet in packets], dtype=bool)
        failures.extend(Failure(int(packet), "its checksum is wrong") for packet in packets[wrong])
        rows = rows[~wrong]
    name = f"packet kind {structure.key}: "
    while True:
        walked = read(plan, batch.data, batch.starts[packets[rows]], batch.lengths[packets[rows]])
        failures.extend(Failure(int(packets[rows[row]]), name + reason) for row, reason in walked.failures)
        rows = rows[walked.read]
        schemes = PacketSchemes(plan, walked)
        refused = _refused(plan, walked, schemes, database.instrument)
        if not refused:
            break
        # Rare: packets with invalid content are removed, and the others are read again without them.
        failures.extend(Failure(int(packets[rows[row]]), name + reason) for row, reason in refused.items())
        rows = np.delete(rows, list(refused))
    columns = _columns(plan, walked, schemes, database.instrument)
    return DecodedStructure(
        batch=batch,
        plan=plan,
        walked=walked,
        packets=packets[rows],
        headers=headers.take(rows),
        database_version=database.version,
        valid_version=selected.valid_version,
        columns=columns,
        request=_request(plan, columns, database.instrument, len(rows)),
    )


def _refused(plan: Plan, walked: Walked, schemes: PacketSchemes, instrument: Instrument) -> dict[int, str]:
    """Packets whose schemes, compressed bytes or continuation bits are not valid."""
    refused: dict[int, str] = {}
    for column in plan.columns:
        parameter = column.field.parameter
        raw, offsets = walked.columns[column.field.index], walked.offsets[:, column.field.group]
        if parameter.name in instrument.continuation:
            for value in np.flatnonzero(raw > 2).tolist():
                reason = f"{parameter.name} is {raw[value]}; it must be 0, 1 or 2"
                refused.setdefault(int(np.searchsorted(offsets, value, side="right")) - 1, reason)
        if column.scheme is not None:
            for row, reason in schemes.refused(column.scheme, raw, offsets):
                refused.setdefault(row, f"{parameter.name}: {reason}")
    return refused


def _columns(plan: Plan, walked: Walked, schemes: PacketSchemes, instrument: Instrument) -> dict[str, DecodedColumn]:
    columns: dict[str, DecodedColumn] = {}
    merged = {byte: counter for counter, byte in instrument.continuation.items()}
    for column in plan.columns:
        field, parameter = column.field, column.field.parameter
        raw, group = walked.columns[field.index], field.group
        counter = merged.get(parameter.name)
        if counter is not None and counter in columns:
            group = columns[counter].group
            raw = _continued(columns[counter].raw, raw)
        offsets = walked.offsets[:, group]
        value: NDArray[Any] | None = None
        variance: NDArray[np.float64] | None = None
        scheme: NDArray[np.int64] | None = None
        unmatched = 0
        if column.scheme is not None:
            scheme = schemes.of(column.scheme)
            value, variance = schemes.decompress(column.scheme, raw, offsets)
        elif column.kind == "engineering":
            value = raw if column.calibrator is None else column.calibrator(raw)
            unmatched = 0 if column.calibrator is None else column.calibrator.unmatched(raw)
        name, number = parameter.name, 1
        while name in columns:
            number += 1
            name = f"{parameter.name}:{number}"
        columns[name] = DecodedColumn(
            name=name,
            description=parameter.description,
            kind=column.kind,
            group=group,
            depth=plan.groups[group].depth,
            raw=raw,
            value=value,
            variance=variance,
            unit=parameter.unit if column.kind == "engineering" else None,
            unit_out=column.calibrator.unit if column.calibrator is not None else None,
            calibration=parameter.calibration if column.kind == "engineering" else None,
            scheme=scheme,
            scheme_parameters=column.scheme.parameters if column.scheme and not column.scheme.unsigned else None,
            offsets=offsets,
            unmatched=unmatched,
            problem=column.problem,
        )
    return columns


def _continued(counts: NDArray[Any], stored: NDArray[Any]) -> NDArray[np.uint16]:
    """One value per sample: 1 without a byte, else the one byte or two bytes that follow."""
    counts = counts.astype(np.int64)
    starts = np.cumsum(counts) - counts
    padded = np.append(stored, [0, 0]).astype(np.uint16)
    first, second = padded[starts], padded[starts + 1]
    return np.asarray(np.where(counts == 0, 1, np.where(counts == 1, first, first * 256 + second)), dtype=np.uint16)


def _request(
    plan: Plan, columns: dict[str, DecodedColumn], instrument: Instrument, count: int
) -> NDArray[np.int64] | None:
    if plan.structure.key not in instrument.request_structures:
        return None
    found = [columns.get(name) for name in instrument.request_parameters]
    if any(column is None or column.depth > 0 for column in found):
        return np.zeros((count, 2), dtype=np.int64)
    return np.column_stack([column.raw.astype(np.int64) for column in found if column is not None])

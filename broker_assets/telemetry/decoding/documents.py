"""Decoded packets as JSON documents, for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from broker_assets.telemetry.decoding.decoder import decode
from broker_assets.telemetry.decoding.packet_view import DecodedPacket
from broker_assets.telemetry.decoding.results import DecodedBatch
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.packets.batches import BadPacket, PacketBatch, RawPacket, batched
from broker_assets.telemetry.packets.files import UnknownFile, kind_of, read, reports
from broker_assets.telemetry.packets.headers import PRIMARY_BYTES, parse_primary
from broker_assets.telemetry.packets.telecommands import TelecommandReport

Document = dict[str, Any]
BATCH_BYTES = 1024**2
"""Bytes of packets in a batch; small, since a document is a hundred times larger than its packet."""


def of_file(path: Path, databases: InstrumentDatabase | InstrumentDatabases) -> Iterator[Document]:
    """One document per packet (or telecommand report) of a file, in its order; damaged ones with `error`.

    Examples
    --------
    >>> [document["error"] for document in of_file(Path("/nowhere/PktTmRaw.xml"), None)]
    ['/nowhere/PktTmRaw.xml cannot be read: No such file or directory']
    """
    try:
        if kind_of(path) == "telecommands":
            for report in reports(path):
                yield _of_bad(report) if isinstance(report, BadPacket) else _of_report(report)
        else:
            for batch in batched(read(path), batch_bytes=BATCH_BYTES):
                yield from of_batch(decode(batch, databases, engine="auto"))
    except UnknownFile as error:
        yield {"file": str(path), "error": str(error)}
    except OSError as error:
        yield {"file": str(path), "error": f"{path} cannot be read: {error.strerror}"}


def of_batch(decoded: DecodedBatch) -> Iterator[Document]:
    """One document per packet and per damaged place of a batch of one file, in the order of the file."""
    batch = decoded.batch
    failures = {failure.packet: failure.reason for failure in decoded.failures}
    telecommands = {telecommand.packet: telecommand.header for telecommand in decoded.telecommands}
    bad = sorted(batch.bad, key=lambda found: found.position)
    for row, raw in enumerate(batch.packets):
        while bad and bad[0].position < raw.position:
            yield _of_bad(bad.pop(0))
        if row in failures:
            yield {**_of_headers(batch, row), "stream": [], "parameters": {}, "error": failures[row]}
        elif row in telecommands:
            yield {
                **_of_headers(batch, row),
                "secondary_header": asdict(telecommands[row]),
                "stream": [],
                "parameters": {},
            }
        else:
            packet = decoded.packet(row)
            if packet is not None:
                yield {**_origin(raw), **of_packet(packet)}
    yield from map(_of_bad, bad)


def of_packet(packet: DecodedPacket) -> Document:
    """The document of one packet.

    Keys: `primary_header`, `apid`, `packet_id`, `secondary_header`, `time_sync_ok`, `service`, `spid`, `description`,
    `idb_version` (with `idb_version_valid` if another was valid at the time), `request_id`, `bits_consumed`,
    `bits_total`, `stream` (list of [depth, parameter, raw value]), `merged_raw` and `parameters`.
    """
    structure = packet.structure
    primary, secondary = packet.primary, packet.secondary
    document: Document = {
        "n_bytes": primary.length,
        "primary_header": asdict(primary),
        "apid": primary.apid,
        "packet_id": primary.packet_id,
        "secondary_header": asdict(secondary),
        "time_sync_ok": secondary.synchronised,
        "pi1_val": structure.key[2],
        "service": list(structure.key),
        "spid": structure.spid,
        "description": structure.description,
        "idb_version": structure.database_version,
        "request_id": None if packet.request_id is None else list(packet.request_id),
        "bits_consumed": packet.bits_consumed,
        "bits_total": primary.length * 8,
        "stream": [list(entry) for entry in packet.stream],
        "merged_raw": packet.merged_raw,
        "parameters": {name: _of_parameter(value) for name, value in packet.parameters.items()},
    }
    if structure.valid_version != structure.database_version:
        document["idb_version_valid"] = structure.valid_version
    return document


def _of_parameter(value: Any) -> Document:
    document: Document = {
        "descr": value.description,
        "kind": value.kind,
        "raw": value.raw,
        "value": value.value,
        "unit": value.unit,
        "unit_out": value.unit_out,
    }
    if value.scheme is not None:
        names = value.scheme_parameters
        scheme = list(value.scheme)
        document["variance"] = value.variance
        document["skm"] = scheme if names is None else [list(pair) for pair in zip(names, scheme, strict=True)]
    if value.problem is not None:
        document["problem"] = value.problem
    return document


def _origin(raw: RawPacket | BadPacket) -> Document:
    return {"file": raw.file, "position": raw.position, "packet_number": raw.number}


def _of_headers(batch: PacketBatch, row: int) -> Document:
    raw = batch.packets[row]
    document = {**_origin(raw), "n_bytes": len(raw.data)}
    if len(raw.data) >= PRIMARY_BYTES:
        primary = parse_primary(raw.data)
        document |= {"primary_header": asdict(primary), "apid": primary.apid, "packet_id": primary.packet_id}
    return document


def _of_bad(bad: BadPacket) -> Document:
    return {**_origin(bad), "n_bytes": len(bad.data), "hex": bad.data[:64].hex(), "error": bad.reason}


def _of_report(report: TelecommandReport) -> Document:
    document = asdict(report)
    for name in ("execution_time", "release_time", "uplink_time"):
        time = getattr(report, name)
        document[name] = None if time is None else time.isoformat()
    return {"file": document.pop("file"), "position": document.pop("position"), "telecommand": document}

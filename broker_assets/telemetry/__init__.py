"""Telemetry of an instrument with a SCOS-2000 database: packets to engineering values.

The packet side, from files to columns. These names are stable; products are built on them.

Reading files (bounded memory; one damaged packet affects no other)::

    files.read(path) -> iterator of RawPacket | BadPacket      # PktTmRaw XML, binary or hexadecimal packets
    files.reports(path) -> iterator of TelecommandReport | BadPacket                   # PktTcReport XML
    batches.batched(found, batch_bytes=…) -> iterator of PacketBatch                # for decode; .bad kept
    RawPacket(data, file, position, number)      BadPacket(reason, data, file, position, number)

Databases (`idb.sqlite`, or folders by version chosen by on-board time)::

    InstrumentDatabase.open(path)                one version: .version .sha256 .structures .parameters .descriptions
                                                 .calibration(name, category) -> Polynomial | Curve | TextTable
    InstrumentDatabases(folder, forced=…, strict=…)       .at(coarse, fine) -> SelectedDatabase(database, valid_version)

Decoding (array passes per packet kind; raises for nothing that is in a packet)::

    decode(packets, databases) -> DecodedBatch
        .structures   tuple of DecodedStructure, one per packet kind and database version
        .telecommands tuple of Telecommand(packet, header)
        .failures     tuple of Failure(packet, reason);   .bad  the same with bytes and origin, reader's included
        .packet(row) -> DecodedPacket | None

    DecodedStructure
        .key (service, subservice, ssid | None)   .spid   .description   .database_version   .valid_version
        .packets (n,) rows of the batch           .headers  Headers of arrays (n,): scet_coarse, sequence_flag, …
        .request (n, 2) (TC sequence control, request id) or None       .bits (n,) where reading ended
        .columns  dict of parameter name to DecodedColumn, in stream order
        .packet(row) -> DecodedPacket

    DecodedColumn
        .raw (m,)  .value (m,) or None  .final  .variance (m,) or None  .offsets (n + 1,)  .of(row) -> slice
        .kind raw | compressed | engineering      .unit  .unit_out  .calibration  .scheme (n, 3)  .group  .depth
        Values are in stream order; a parameter in a repeat group has as many values as its group has records. Nesting
        follows from the counters, which are columns too: NIX00259 says how many NIX00260 each energy group has.
        The continuation bits NIXD0159 are merged into NIX00065: one value per sample.

    DecodedPacket
        .primary .secondary .request_id .stream .merged_raw .parameters[name] -> ParameterValue .bits_consumed

Pure functions for what products need of single values: `masks` (detector, pixel and energy masks, measurement time),
`triggers` (un-scaling of trigger counters), `compression`.

Decisions about likely defects of the original pipeline are listed in ``docs/telemetry.md``.
"""

from broker_assets.telemetry.decoding.decoder import decode
from broker_assets.telemetry.decoding.packet_view import DecodedPacket, ParameterValue
from broker_assets.telemetry.decoding.results import DecodedBatch, DecodedColumn, DecodedStructure, Failure, Telecommand
from broker_assets.telemetry.idb.database import DatabaseError, InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases, MissingDatabaseVersion
from broker_assets.telemetry.idb.stix_rules import STIX
from broker_assets.telemetry.packets.batches import BadPacket, PacketBatch, RawPacket

__all__ = [
    "STIX",
    "BadPacket",
    "DatabaseError",
    "DecodedBatch",
    "DecodedColumn",
    "DecodedPacket",
    "DecodedStructure",
    "Failure",
    "InstrumentDatabase",
    "InstrumentDatabases",
    "MissingDatabaseVersion",
    "PacketBatch",
    "ParameterValue",
    "RawPacket",
    "Telecommand",
    "decode",
]

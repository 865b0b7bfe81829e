"""Alert packets in files: any of the three framings, recognised by their bytes, and files of the packet archive.

For use at a terminal and in tests; the stream knows its framing and does not guess. A file, schema or packet that
cannot be read is reported, and the others are read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.packets.container import (
    MAGIC,
    ContainerError,
    compression_of,
    gunzip_until_damage,
    read_blocks,
    read_header,
)
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.framing import (
    CONFLUENT_HEADER_BYTES,
    FramedPackets,
    FramedSchema,
    fingerprint,
    framed_schema,
)
from broker_assets.packets.identifiers import is_ztf_object_id, ztf_object_name
from broker_assets.packets.limits import FILE_BYTES, BatchTooLarge
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.records import RecordSplitter
from broker_assets.packets.registry import NoSchemas, SchemaFolder, SchemaNotFound, rubin_schema_folder
from broker_assets.packets.schema import SchemaError
from broker_assets.packets.surveys import ADAPTERS, adapter_of
from broker_assets.packets.tables import AlertTables

STANDARD_INPUT: Final = "-"
CHUNK_PACKETS: Final = 1000
CHUNK_BYTES: Final = 64 << 20

_VERSION: Final = re.compile(r"(?:^|[._])v(\d+(?:_\d+)*)")


@dataclass(frozen=True)
class FilePacket:
    """A packet in a file, or why there is none."""

    file: str
    record: int
    """Number in the file, from 0."""
    framing: str | None = None
    datum: bytes = b""
    schema: FramedSchema | None = None
    error: str | None = None


@dataclass(frozen=True)
class FileTables:
    """Packets of files and their tables; `packet` in the tables is the row in `packets`."""

    packets: list[FilePacket]
    tables: list[AlertTables]
    """One for each survey encountered."""
    surveys: list[str]
    """Survey of each of `tables`."""
    errors: dict[int, str] = field(default_factory=dict)
    """What is wrong with packets, by their row in `packets`."""


class Schemas:
    """Schemas of packets that contain none.

    Parameters
    ----------
    path : path, optional
        File or folder of Avro schemas; default: the folder of the package `lsst-alert-packet`, if installed.

    Raises
    ------
    SchemaNotFound
        If `path` has no schemas.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.given = path is not None
        found = path if path is not None else rubin_schema_folder()
        self._folder = SchemaFolder(found) if found is not None else None
        self._candidates: list[FramedSchema] | None = None
        self._readers: dict[str, PacketReader] = {}

    def of_confluent(self, schema_id: int) -> FramedSchema:
        """The schema of a registry id, or the only schema if just one was named.

        Raises
        ------
        SchemaNotFound
            If there is none.
        """
        source = self._folder or NoSchemas()
        try:
            schema = source.by_id(schema_id)
        except SchemaNotFound:
            candidates = self._all() if self.given else []
            if len(candidates) != 1:
                raise SchemaNotFound(
                    f"the schema with id {schema_id} is unknown; give its file or folder with --schema"
                ) from None
            schema = candidates[0].schema
        return FramedSchema(schema, fingerprint(schema), schema_id)

    def of_bare(self, datum: bytes, name: str = "") -> FramedSchema:
        """The schema with which the datum can be read to its last byte.

        If there are several (versions may differ in parts that a packet does not have), the one whose version is in
        the name of the file, else the latest.

        Raises
        ------
        SchemaNotFound
            If there is none; the message says why each does not fit.
        """
        if not self.given:
            raise SchemaNotFound("the packet contains no schema; give its file or folder with --schema")
        reasons = []
        version = version_in(Path(name).name)
        for candidate in sorted(self._all(), key=lambda item: version_in(item.name) != version):
            reason = self.misfit(candidate, datum)
            if reason is None:
                return candidate
            reasons.append(f"{candidate.name}: {reason}")
        raise SchemaNotFound(f"the packet cannot be read with any schema given by --schema ({'; '.join(reasons)})")

    def misfit(self, schema: FramedSchema, datum: bytes) -> str | None:
        """Why a datum cannot be read with a schema to its last byte; None if it can."""
        try:
            if schema.fingerprint not in self._readers:
                # Every byte is examined even though no column is read.
                self._readers[schema.fingerprint] = PacketReader(schema.schema, {"": []}, to_end=True)
            failures = self._readers[schema.fingerprint].read([datum]).failures
        except SchemaError as error:
            return str(error)
        return failures[0].reason if failures else None

    def _all(self) -> list[FramedSchema]:
        if self._candidates is None:
            found = self._folder.schemas().values() if self._folder is not None else []
            framed = [FramedSchema(schema, fingerprint(schema)) for schema in found]
            # Latest first; sorting by anything else keeps that order among equals.
            self._candidates = sorted(
                framed, key=lambda item: [int(part) for part in re.findall(r"\d+", item.name)], reverse=True
            )
        return self._candidates


def find_files(names: Iterable[str]) -> Iterator[str]:
    """Files, with folders replaced by the `*.avro` and `*.avro.gz` in them, in order; also names that do not exist."""
    for name in names:
        path = Path(name)
        if name != STANDARD_INPUT and path.is_dir():
            found = [*path.rglob("*.avro"), *path.rglob("*.avro.gz")]
            yield from (str(file) for file in sorted(found) if file.is_file())
        else:
            yield name


def read_packets(name: str, schemas: Schemas) -> Iterator[FilePacket]:
    """The packets of one file.

    Parameters
    ----------
    name : str
        Path, or "-" for standard input.
    schemas : Schemas
        For framings without schema.

    Yields
    ------
    FilePacket
        At least one; with `error` if something cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        yield FilePacket(name, 0, error=f"cannot be read: {error.strerror or error}")
        return
    record = 0
    try:
        for packet in _packets(name, content, schemas):
            yield packet
            record += 1
    except (ContainerError, SchemaNotFound, SchemaError) as error:
        yield FilePacket(name, record, error=str(error))
    except Exception as error:  # noqa: BLE001 (isolation boundary: a file may be broken in any way)
        yield FilePacket(name, record, error=f"cannot be read: {type(error).__name__}: {error}")


def _packets(name: str, content: bytes, schemas: Schemas) -> Iterator[FilePacket]:
    compression = compression_of(content)
    damage = ""
    if compression == "gzip":
        content, damage = gunzip_until_damage(content, FILE_BYTES)
    elif compression is not None:
        raise ContainerError(f"the file is compressed with {compression}: decompress it first")
    if not content:
        raise ContainerError(damage or "the file is empty")
    if content[: len(MAGIC)] == MAGIC:
        yield from _read_container(name, content)
    else:
        yield _read_bytes(name, content, schemas)
    if damage:
        raise ContainerError(damage)


def _read_bytes(name: str, content: bytes, schemas: Schemas) -> FilePacket:
    """The packet in a file that is not a container.

    A bare datum may begin with a zero byte like a message in Confluent wire format: what can be read to its last byte
    decides.
    """
    confluent: FilePacket | None = None
    reason = None
    if len(content) > CONFLUENT_HEADER_BYTES and content[0] == 0:
        try:
            schema = schemas.of_confluent(int.from_bytes(content[1:CONFLUENT_HEADER_BYTES], "big"))
            confluent = FilePacket(name, 0, "confluent", content[CONFLUENT_HEADER_BYTES:], schema)
            if schemas.misfit(schema, confluent.datum) is None:
                return confluent
        except (SchemaNotFound, SchemaError) as error:
            reason = str(error)
    try:
        return FilePacket(name, 0, "bare", content, schemas.of_bare(content, name))
    except SchemaNotFound as error:
        if confluent is not None:
            return confluent  # the error of reading it says what is wrong
        return FilePacket(name, 0, error=reason or str(error))


def _read_container(name: str, content: bytes) -> Iterator[FilePacket]:
    record = 0
    header = read_header(content)
    schema = framed_schema(header.schema_text)
    splitter = RecordSplitter(schema.schema)
    for block in read_blocks(content, header):
        for datum in splitter.datums(content, header, block):
            yield FilePacket(name, record, "container", datum, schema)
            record += 1
    if not record:
        raise ContainerError("the container contains no packet")


def decode_files(names: Iterable[str], schemas: Schemas) -> Iterator[FileTables]:
    """The packets of files and folders with their internal tables, in chunks."""
    decoders = {survey: AlertDecoder(survey, "bare") for survey in ADAPTERS}
    chunk: list[FilePacket] = []
    size = 0
    for name in find_files(names):
        for packet in read_packets(name, schemas):
            chunk.append(packet)
            size += len(packet.datum)
            if len(chunk) >= CHUNK_PACKETS or size >= CHUNK_BYTES:
                yield from _decode_chunk(chunk, decoders)
                chunk, size = [], 0
    if chunk:
        yield from _decode_chunk(chunk, decoders)


def _decode_chunk(packets: list[FilePacket], decoders: dict[str, AlertDecoder]) -> Iterator[FileTables]:
    """A chunk, in parts if its rows are too many."""
    try:
        yield _decode(packets, decoders)
    except BatchTooLarge:
        middle = len(packets) // 2
        yield from _decode_chunk(packets[:middle], decoders)
        yield from _decode_chunk(packets[middle:], decoders)


def _decode(packets: list[FilePacket], decoders: dict[str, AlertDecoder]) -> FileTables:
    errors = {row: packet.error for row, packet in enumerate(packets) if packet.error is not None}
    surveys: dict[str, str | None] = {}
    rows: dict[str, list[int]] = {}
    for row, packet in enumerate(packets):
        if packet.schema is None:
            continue
        key = packet.schema.fingerprint
        if key not in surveys:
            try:
                surveys[key] = adapter_of(packet.schema.schema).survey
            except Exception as error:  # noqa: BLE001 (isolation boundary: a schema may be broken in any way)
                surveys[key] = None
                errors[row] = str(error)
        survey = surveys[key]
        if survey is None:
            errors.setdefault(row, f"no known survey has packets of schema {packet.schema.name!r}")
        else:
            rows.setdefault(survey, []).append(row)
    result = FileTables(packets, [], [], errors)
    for survey, chosen in rows.items():
        decoder = decoders[survey]
        tables = decoder.decode(decoder.identify_framed(_framed(packets, chosen)))
        errors.update((failure.packet, failure.reason) for failure in tables.failures)
        result.tables.append(tables)
        result.surveys.append(survey)
    return result


def _framed(packets: Sequence[FilePacket], chosen: Sequence[int]) -> FramedPackets:
    """A subset of the packets as a batch in which each keeps its row."""
    schemas: dict[str, tuple[int, FramedSchema]] = {}
    number = np.full(len(packets), -1, np.int32)
    ends = np.zeros(len(packets), np.int64)
    for row in chosen:
        schema = packets[row].schema
        if schema is not None:
            number[row] = schemas.setdefault(schema.fingerprint, (len(schemas), schema))[0]
            ends[row] = len(packets[row].datum)
    starts = np.zeros(len(packets), np.int64)
    return FramedPackets(
        [packet.datum for packet in packets], starts, ends, number, [schema for _, schema in schemas.values()]
    )


def describe(chunk: FileTables) -> list[dict[str, Any]]:
    """One document for each packet, in the order of the files: its identity and content."""
    documents: list[dict[str, Any]] = [_origin(packet) for packet in chunk.packets]
    for survey, tables in zip(chunk.surveys, chunk.tables, strict=True):
        count = len(chunk.packets)
        is_trigger = tables.source["trigger"]
        triggers = tables.source.filter(is_trigger)
        bands = dict(zip(triggers["packet"].to_pylist(), _column(triggers, "band"), strict=True))
        counts = {
            "previous": _count(tables.source.filter(pc.invert(is_trigger)), count),
            "forced": _count(tables.forced_source, count),
            "nondetections": _count(tables.nondetection, count),
        }
        cutouts: dict[int, dict[str, int]] = {}
        for cutout in tables.cutout.to_pylist():
            cutouts.setdefault(cutout["packet"], {})[cutout["kind"]] = cutout["length"]
        for row in tables.packet.to_pylist():
            packet = row["packet"]
            document = documents[packet]
            document |= {
                "survey": survey,
                "schema": row["schema"],
                "version": schema_version(chunk.packets[packet]),
                "object": row["diaobjectid"] or None,
            }
            if is_ztf_object_id([row["diaobjectid"]])[0]:
                document["object_name"] = str(ztf_object_name([row["diaobjectid"]])[0])
            if row["ssobjectid"]:
                document["solar_system_object"] = row["ssobjectid"]
            document |= {
                "source": row["diasourceid"],
                "ra": row["ra"],
                "dec": row["decl"],
                "midpoint_mjd_tai": row["midpointmjdtai"],
                "night": row["night"].isoformat(),
                "band": bands[packet],
                **{name: int(values[packet]) for name, values in counts.items()},
                "cutouts": cutouts.get(packet, {}),
            }
    for row, error in chunk.errors.items():
        packet_schema = chunk.packets[row].schema
        if packet_schema is not None:
            documents[row]["schema"] = packet_schema.name
        documents[row]["error"] = error
    return documents


def schema_version(packet: FilePacket) -> str | None:
    """Version of a packet's schema: from the packet itself, else from the schema, else from the name of the schema.

    Examples
    --------
    >>> schema = FramedSchema({"type": "record", "name": "lsst.v9_0.alert", "fields": []}, "")
    >>> schema_version(FilePacket("a", 0, schema=schema))
    '9.0'
    """
    if packet.schema is None:
        return None
    schema = packet.schema.schema
    if any(item["name"] == "schemavsn" for item in schema["fields"]):
        decoded = PacketReader(schema, {"": ["schemavsn"]}).read([packet.datum])
        return str(decoded.tables[""]["schemavsn"][0].as_py()) if not decoded.failures else None
    if "version" in schema:
        return str(schema["version"])
    return version_in(packet.schema.name)


def version_in(name: str) -> str | None:
    """The version contained in a name.

    Examples
    --------
    >>> version_in("elasticc.v0_9_1.alert"), version_in("alert")
    ('0.9.1', None)
    """
    named = _VERSION.search(name)
    return named[1].replace("_", ".") if named else None


def _origin(packet: FilePacket) -> dict[str, Any]:
    return {"file": packet.file, "record": packet.record, "framing": packet.framing}


def _count(table: pa.Table, packets: int) -> np.ndarray:
    return np.bincount(np.asarray(table["packet"].to_numpy(), dtype=np.int64), minlength=packets)


def _column(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * table.num_rows

"""The packet archive: every message as received, in standard Avro object-container files.

A file contains messages of one topic, one night, one schema and one batch; each message is a separate block,
compressed individually, so that one packet is one ranged read. The header has the Kafka metadata of each message and
the framing, so that a night can be replayed. Files appear complete or not at all.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import fsspec
import numpy as np
import zstandard
from numpy.typing import NDArray
from upath import UPath

from broker_assets.packets.archive_index import Received, decode_index, encode_index
from broker_assets.packets.container import (
    ContainerError,
    ContainerHeader,
    read_block,
    read_header,
    write_header,
    write_long,
)
from broker_assets.packets.framing import FramedPackets, FramedSchema, framed_schema
from broker_assets.storage.objects import read_range, store

FORMAT_VERSION: Final = "1"
COMPRESSION_LEVEL: Final = -1
"""A fast level of Zstandard: level 1 takes 1.5 times as long for 1 % fewer bytes (stamps do not compress)."""
DATUM_MAXIMUM: Final = 1 << 30
"""Bytes of an archived datum, at most: more than any limit on messages under which it may have been accepted."""
HEADER_GUESS: Final = 1 << 18
"""Number of bytes read first to get the header of a file."""
_SHORT_FINGERPRINT: Final = 12


class ArchiveError(Exception):
    """A file of the archive cannot be read correctly; the message names the file and the byte."""


@dataclass(frozen=True)
class ArchivePart:
    """Packets of a batch for one file."""

    night: str
    """`YYYY-MM-DD`; the folder of the file, below that of the topic."""
    schema: FramedSchema
    packets: NDArray[np.int64]
    """Positions in the batch, in file order."""
    prefix: str
    """First part of the file name: partition and offset of its first message."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"{self.prefix}-{self.schema.fingerprint[:_SHORT_FINGERPRINT]}.avro"


@dataclass(frozen=True)
class ArchivedFile:
    """A file that has been written."""

    url: str
    packets: NDArray[np.int64]
    """Positions in the batch of the packets in the file, in its order."""
    positions: NDArray[np.int64]
    """First byte of the block of each packet."""
    lengths: NDArray[np.int64]
    """Size of the block of each packet, including its sync marker, bytes."""
    bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 of the file, hexadecimal."""
    schema: str
    """Name of the packets' schema."""
    night: str


@dataclass(frozen=True)
class ArchivedPacket:
    """A packet from the archive."""

    datum: bytes
    """Its Avro datum."""
    schema: FramedSchema
    framing: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    position: int
    """First byte of its block."""
    length: int
    """Bytes of its block."""

    @property
    def value(self) -> bytes:
        """The message: as received for Confluent framing and bare datums; for containers, an uncompressed container
        with the same schema and datum."""
        if self.framing == "confluent":
            return b"\x00" + cast(int, self.schema.schema_id).to_bytes(4, "big") + self.datum
        if self.framing == "bare":
            return self.datum
        return b"".join(self.container())

    def container(self) -> tuple[bytes, bytes, bytes]:
        """The packet in an uncompressed container, as pieces to be written one after the other."""
        sync = hashlib.sha256(self.datum).digest()[:16]
        header = write_header({"avro.schema": _schema_text(self.schema), "avro.codec": b"null"}, sync)
        return header + write_long(1) + write_long(len(self.datum)), self.datum, sync


@dataclass(frozen=True)
class ArchiveHeader:
    """Content of the header of a file."""

    container: ContainerHeader
    topic: str
    night: str
    framing: str
    schema: FramedSchema
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    keys: list[bytes | None]
    positions: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Size of the whole file, bytes."""
        return int(self.positions[-1] + self.lengths[-1]) if len(self.positions) else self.container.size


@dataclass(frozen=True)
class Verification:
    """Result of `verify`."""

    url: str
    packets: int
    bytes: int
    checked: int
    """Packets that were decompressed."""
    sha256: str | None
    """SHA-256 of the file, if requested."""


def parts(
    framed: FramedPackets, packets: NDArray[Any], nights: NDArray[np.datetime64], messages: Sequence[Received]
) -> list[ArchivePart]:
    """Determine the files of a batch before any is written.

    Parameters
    ----------
    framed : FramedPackets
        The batch.
    packets : (n,) int array
        Positions in the batch of the packets to keep, ascending.
    nights : (n,) datetime64[D] array
        Night of each.
    messages : sequence of Received
        All messages of the batch.

    Returns
    -------
    list of ArchivePart
        By night and schema; the packets of each in batch order.
    """
    packets = np.asarray(packets, dtype=np.int64)
    schema = framed.schema[packets]
    found = []
    for night in np.unique(nights):
        for number in np.unique(schema[nights == night]).tolist():
            chosen = packets[(nights == night) & (schema == number)]
            first = messages[int(chosen[0])]
            found.append(ArchivePart(str(night), framed.schemas[number], chosen, f"p{first.partition}-o{first.offset}"))
    return found


def write(
    store_url: str,
    topic: str,
    part: ArchivePart,
    messages: Sequence[Received],
    framed: FramedPackets,
    *,
    framing: str,
    level: int = COMPRESSION_LEVEL,
    threads: int = 2,
) -> ArchivedFile:
    """Write one file of the archive; when this returns, it is complete and on disk.

    Writing the same messages again gives the same bytes under the same name.

    Parameters
    ----------
    store_url : str
        fsspec URL or path of the archive.
    topic : str
        Kafka topic; the first folder.
    part : ArchivePart
        Content of the file, from `parts`.
    messages : sequence of Received
        All messages of the batch.
    framed : FramedPackets
        Their datums.
    framing : str
        "confluent", "container" or "bare".
    level, threads : int
        Compression; it runs without the interpreter lock.

    Returns
    -------
    ArchivedFile

    Raises
    ------
    OSError
        If the file cannot be written (disk full, …): nothing is left under its name.
    """
    target = UPath(store_url) / topic / part.night / part.name
    datums = [
        memoryview(framed.buffers[packet])[framed.starts[packet] : framed.ends[packet]] for packet in part.packets
    ]
    blocks = _compress(datums, level, threads)
    counted = [write_long(1) + write_long(len(block)) for block in blocks]
    lengths = np.array([len(head) + len(block) + 16 for head, block in zip(counted, blocks, strict=True)], np.int64)
    chosen = [messages[packet] for packet in part.packets.tolist()]
    metadata = {
        "broker.format": FORMAT_VERSION.encode(),
        "broker.topic": topic.encode(),
        "broker.night": part.night.encode(),
        "broker.framing": framing.encode(),
        "broker.schema_id": str(-1 if part.schema.schema_id is None else part.schema.schema_id).encode(),
        "avro.codec": b"zstandard",
        "avro.schema": _schema_text(part.schema),
        "broker.index": encode_index(chosen, lengths),
    }
    sync = hashlib.sha256(metadata["avro.schema"] + metadata["broker.index"]).digest()[:16]
    header = write_header(metadata, sync)
    pieces: list[Any] = [header]
    for head, block in zip(counted, blocks, strict=True):
        pieces += (head, block, sync)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    store(target, pieces)
    return ArchivedFile(
        url=str(target),
        packets=part.packets,
        positions=len(header) + np.cumsum(lengths) - lengths,
        lengths=lengths,
        bytes=len(header) + int(lengths.sum()),
        sha256=digest.hexdigest(),
        schema=part.schema.name,
        night=part.night,
    )


def read_datum(url: str, position: int, length: int) -> bytes:
    """The Avro datum of one packet, with one ranged read.

    Raises
    ------
    ArchiveError
        If there is no such file, or no complete block at this position.
    """
    content = _read_range(url, position, position + length)
    try:
        # The block itself ends with the sync marker, so the header is not needed to read it.
        header = ContainerHeader({"avro.schema": b"", "avro.codec": b"zstandard"}, content[-16:], 0)
        block = read_block(content, 0, header)
        datum, start, end = block.datums(content, header, maximum=DATUM_MAXIMUM)
    except ContainerError as error:
        raise ArchiveError(f"{url}: {error}; read {len(content)} bytes from byte {position}") from error
    return datum[start:end]


def read_packet(url: str, position: int, length: int) -> ArchivedPacket:
    """One packet with its schema; the header of a file is kept in memory after the first packet from it.

    Raises
    ------
    ArchiveError
        If the file or the position in it is wrong.
    """
    header = read_archive_header(url)
    row = int(np.searchsorted(header.positions, position))
    if row == len(header.positions) or header.positions[row] != position or header.lengths[row] != length:
        raise ArchiveError(f"{url}: no packet of {length} bytes at byte {position}")
    return _packet(header, row, read_datum(url, position, length))


def read_packets(url: str, positions: NDArray[np.int64]) -> Iterator[ArchivedPacket]:
    """Packets of a file at some positions, each with one ranged read.

    Raises
    ------
    ArchiveError
        If the file or a position in it is wrong.
    """
    header = read_archive_header(url)
    rows = np.searchsorted(header.positions, positions)
    for position, row in zip(positions.tolist(), rows.tolist(), strict=True):
        if row == len(header.positions) or header.positions[row] != position:
            raise ArchiveError(f"{url}: no packet at byte {position}")
        yield _packet(header, row, read_datum(url, position, int(header.lengths[row])))


def read_file(url: str) -> Iterator[ArchivedPacket]:
    """All packets of a file in order.

    Raises
    ------
    ArchiveError
        If the file is damaged; the packets before the damage have been yielded.
    """
    header = read_archive_header(url)
    content = _read_range(url, 0, None)
    for row in range(len(header.positions)):
        yield _packet(header, row, _datum_at(url, content, int(header.positions[row]), header))
    if len(content) != header.size:
        raise ArchiveError(f"{url}: {len(content)} bytes, but its last packet ends at byte {header.size}")


def read_archive_header(url: str) -> ArchiveHeader:
    """The header of a file of the archive; kept in memory, as files of the archive never change under their name.

    Raises
    ------
    ArchiveError
        If there is no such file or it does not begin with such a header.
    """
    return _read_archive_header(str(url))


def verify(
    url: str, *, sha256: str | None = None, packets: int | None = None, sample: int | None = None
) -> Verification:
    """Verify that a file is complete and readable.

    Parameters
    ----------
    url : str
        File of the archive.
    sha256 : str, optional
        Checksum in the ledger; the whole file is then read.
    packets : int, optional
        Expected number of packets.
    sample : int, optional
        Number of packets to read and decompress, spread over the file, including the first and the last; default:
        all.

    Raises
    ------
    ArchiveError
        If something is wrong; the message names the file and the byte.
    """
    _read_archive_header.cache_clear()
    header = read_archive_header(url)
    count = len(header.positions)
    if packets is not None and packets != count:
        raise ArchiveError(f"{url}: {count} packets, not {packets}")
    filesystem, path = fsspec.core.url_to_fs(str(url))
    size = int(filesystem.size(path))
    if size != header.size:
        raise ArchiveError(f"{url}: {size} bytes, but its last packet ends at byte {header.size}")
    rows = np.arange(count)
    if sample is not None and sample < count:
        rows = np.unique(np.linspace(0, count - 1, max(sample, 1)).round().astype(np.int64))
    digest = None
    if sha256 is not None:
        content = _read_range(url, 0, None)
        digest = hashlib.sha256(content).hexdigest()
        for row in rows.tolist():
            _datum_at(url, content, int(header.positions[row]), header)
        if digest != sha256:
            raise ArchiveError(f"{url}: its SHA-256 is {digest}, not {sha256}")
    else:
        for row in rows.tolist():
            read_datum(url, int(header.positions[row]), int(header.lengths[row]))
    return Verification(str(url), count, size, len(rows), digest)


@functools.lru_cache(maxsize=64)
def _read_archive_header(url: str) -> ArchiveHeader:
    wanted = HEADER_GUESS
    while True:
        content = _read_range(url, 0, wanted)
        try:
            container = read_header(content)
            break
        except ContainerError as error:
            if len(content) < wanted:
                raise ArchiveError(f"{url}: {error}") from error
            wanted *= 8
    metadata = container.metadata
    try:
        text = {name: metadata[f"broker.{name}"].decode() for name in ("topic", "night", "framing", "schema_id")}
        schema = framed_schema(metadata["avro.schema"])
        if text["framing"] != "container":
            number = int(text["schema_id"])
            schema = FramedSchema(schema.schema, schema.fingerprint, None if number < 0 else number)
        index = decode_index(metadata["broker.index"])
    except (KeyError, ValueError, zstandard.ZstdError) as error:
        raise ArchiveError(f"{url}: not a file of the packet archive: {error!r} in its header") from error
    partitions, offsets, timestamps, keys, lengths = index
    return ArchiveHeader(
        container=container,
        topic=text["topic"],
        night=text["night"],
        framing=text["framing"],
        schema=schema,
        partitions=partitions,
        offsets=offsets,
        timestamps_ms=timestamps,
        keys=keys,
        positions=container.size + np.cumsum(lengths) - lengths,
        lengths=lengths,
    )


def _datum_at(url: str, content: bytes, position: int, header: ArchiveHeader) -> bytes:
    try:
        block = read_block(content, position, header.container)
        datum, start, end = block.datums(content, header.container, maximum=DATUM_MAXIMUM)
    except ContainerError as error:
        raise ArchiveError(f"{url}: packet at byte {position}: {error}") from error
    return datum[start:end]


def _packet(header: ArchiveHeader, row: int, datum: bytes) -> ArchivedPacket:
    return ArchivedPacket(
        datum=datum,
        schema=header.schema,
        framing=header.framing,
        partition=int(header.partitions[row]),
        offset=int(header.offsets[row]),
        timestamp_ms=int(header.timestamps_ms[row]),
        key=header.keys[row],
        position=int(header.positions[row]),
        length=int(header.lengths[row]),
    )


def _schema_text(schema: FramedSchema) -> bytes:
    return schema.text if schema.text is not None else json.dumps(schema.schema, separators=(",", ":")).encode()


def _compress(datums: Sequence[memoryview], level: int, threads: int) -> list[memoryview]:
    compressor = zstandard.ZstdCompressor(level=level)
    if not all(len(datum) for datum in datums):
        # multi_compress_to_buffer rejects empty input.
        return [memoryview(compressor.compress(datum)) for datum in datums]
    collection = compressor.multi_compress_to_buffer(cast(Any, datums), threads=threads)
    return [memoryview(cast(Any, collection[number])) for number in range(len(collection))]


def _read_range(url: str, start: int, end: int | None) -> bytes:
    try:
        return read_range(url, start, end)
    except FileNotFoundError as error:
        raise ArchiveError(f"{url}: no such file") from error

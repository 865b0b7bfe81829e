"""Avro object-container files at byte level: header, blocks, codecs.

Implements only Avro 1.12 ("Object Container Files"), independent of the meaning of records. Every length is checked
against the available bytes before it is used.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import zstandard

MAGIC: Final = b"Obj\x01"
SYNC_BYTES: Final = 16
CODECS: Final = ("null", "deflate", "zstandard", "snappy")
DECOMPRESSED_MAXIMUM: Final = 1 << 30
"""A block with a larger declared size is hostile: no alert has a gibibyte."""


class ContainerError(ValueError):
    """The bytes do not conform to their framing."""


@dataclass(frozen=True)
class ContainerHeader:
    """The part before the first block."""

    metadata: dict[str, bytes]
    sync: bytes
    """Marker after each block."""
    size: int
    """Size of the header, bytes: the first block starts here."""

    @property
    def schema_text(self) -> bytes:
        """JSON of the writer's schema."""
        return self.metadata["avro.schema"]

    @property
    def codec(self) -> str:
        """Name of the compression of the blocks."""
        return self.metadata.get("avro.codec", b"null").decode("ascii", "replace")


@dataclass(frozen=True)
class Block:
    """A run of records."""

    records: int
    position: int
    """First byte of the block, its record count."""
    data: int
    """First byte of its (compressed) records."""
    length: int
    """Size of its (compressed) records, bytes."""

    @property
    def end(self) -> int:
        """First byte after the sync marker."""
        return self.data + self.length + SYNC_BYTES

    def datums(self, content: bytes, header: ContainerHeader) -> tuple[bytes, int, int]:
        """Buffer with the concatenated records, their start in it, and the byte after them."""
        if header.codec == "null":
            return content, self.data, self.data + self.length
        records = decompress(content[self.data : self.data + self.length], header.codec)
        return records, 0, len(records)


def read_header(content: bytes) -> ContainerHeader:
    """Read the header of a container.

    Raises
    ------
    ContainerError
        If the bytes do not begin with a header; the message says what is wrong and at which byte.
    """
    if content[:4] != MAGIC:
        raise ContainerError(f"not an Avro container: begins with {content[:4]!r} instead of {MAGIC!r}")
    metadata: dict[str, bytes] = {}
    position = 4
    while True:
        count, position = read_long(content, position)
        if count == 0:
            break
        if count < 0:
            _, position = read_long(content, position)
            count = -count
        for _ in range(count):
            key, position = _read_bytes(content, position)
            value, position = _read_bytes(content, position)
            metadata[key.decode("utf-8", "replace")] = value
    if position + SYNC_BYTES > len(content):
        raise ContainerError(f"the header is truncated at byte {len(content)}")
    if "avro.schema" not in metadata:
        raise ContainerError("the header has no schema")
    header = ContainerHeader(metadata, content[position : position + SYNC_BYTES], position + SYNC_BYTES)
    if header.codec not in CODECS:
        raise ContainerError(f"unknown codec {header.codec!r}; known: {', '.join(CODECS)}")
    return header


def read_blocks(content: bytes, header: ContainerHeader, *, start: int | None = None) -> Iterator[Block]:
    """The blocks of a container, from byte `start` (default: the first block) to the end.

    Raises
    ------
    ContainerError
        If a block is truncated or does not end in the sync marker; the message gives the byte.
    """
    position = header.size if start is None else start
    while position < len(content):
        block = read_block(content, position, header)
        yield block
        position = block.end


def read_block(content: bytes, position: int, header: ContainerHeader) -> Block:
    """The block that begins at a byte."""
    records, after = read_long(content, position)
    length, data = read_long(content, after)
    if records < 0 or length < 0:
        raise ContainerError(f"the block at byte {position} has a negative size")
    if data + length + SYNC_BYTES > len(content):
        raise ContainerError(
            f"the block at byte {position} is truncated: it should end at {data + length + SYNC_BYTES}"
        )
    if content[data + length : data + length + SYNC_BYTES] != header.sync:
        raise ContainerError(f"the block at byte {position} does not end in the sync marker")
    return Block(records, position, data, length)


def decompress(data: bytes, codec: str) -> bytes:
    """Decompress the records of a block.

    Raises
    ------
    ContainerError
        If the data are damaged, or larger than `DECOMPRESSED_MAXIMUM` when decompressed.
    """
    try:
        if codec == "null":
            return data
        if codec == "deflate":
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
            result = decompressor.decompress(data, DECOMPRESSED_MAXIMUM)
            if not decompressor.eof:
                raise ContainerError("the deflated block is truncated")
            return result
        if codec == "zstandard":
            return _decompress_zstandard(data)
        return _decompress_snappy(data)
    except (zlib.error, zstandard.ZstdError, pa.ArrowException, OSError, MemoryError) as error:
        raise ContainerError(f"the {codec} block is damaged: {error}") from error


def _decompress_zstandard(data: bytes) -> bytes:
    """Decompress one frame, whether or not it declares the size of its content (Java's writers do not)."""
    size = zstandard.frame_content_size(data)
    if size > DECOMPRESSED_MAXIMUM:
        raise ContainerError(f"the zstandard block claims {size} bytes")
    if size >= 0:
        return zstandard.ZstdDecompressor().decompress(data)
    parts, total = [], 0
    with zstandard.ZstdDecompressor().stream_reader(data) as reader:
        while part := reader.read(1 << 20):
            parts.append(part)
            total += len(part)
            if total > DECOMPRESSED_MAXIMUM:
                raise ContainerError("the zstandard block is larger than any alert")
    return b"".join(parts)


def _decompress_snappy(data: bytes) -> bytes:
    """Decompress raw Snappy, which begins with its decompressed length and ends with the CRC-32 of the result."""
    size, shift, position = 0, 0, 0
    while True:
        if position >= len(data) or shift > 35:
            raise ContainerError("the snappy block is truncated")
        byte = data[position]
        size |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            break
    if size > DECOMPRESSED_MAXIMUM:
        raise ContainerError(f"the snappy block claims {size} bytes")
    result: bytes = pa.decompress(data[:-4], decompressed_size=size, codec="snappy", asbytes=True)
    if zlib.crc32(result) != int.from_bytes(data[-4:], "big"):
        raise ContainerError("the checksum of the snappy block is wrong")
    return result


def read_long(content: bytes, position: int) -> tuple[int, int]:
    """Read a zigzag variable-length integer; return it and the position after it.

    Examples
    --------
    >>> read_long(b"\\x01", 0), read_long(b"\\x80\\x01", 0)
    ((-1, 1), (64, 2))
    """
    value, shift = 0, 0
    while True:
        if position >= len(content):
            raise ContainerError(f"truncated in a number at byte {position}")
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise ContainerError(f"a number longer than 64 bits at byte {position}")
    return (value >> 1) ^ -(value & 1), position


def write_long(value: int) -> bytes:
    """Encode a zigzag variable-length integer.

    Examples
    --------
    >>> write_long(-1), write_long(64)
    (b'\\x01', b'\\x80\\x01')
    """
    rest = (value << 1) ^ (value >> 63)
    result = bytearray()
    while rest > 0x7F:
        result.append((rest & 0x7F) | 0x80)
        rest >>= 7
    result.append(rest)
    return bytes(result)


def write_header(metadata: dict[str, bytes], sync: bytes) -> bytes:
    """Encode the header of a container.

    Parameters
    ----------
    metadata : dict
        Must contain "avro.schema" and "avro.codec".
    sync : bytes
        16 bytes that end each block.
    """
    parts = [MAGIC, write_long(len(metadata))]
    for key, value in metadata.items():
        encoded = key.encode()
        parts += [write_long(len(encoded)), encoded, write_long(len(value)), value]
    return b"".join([*parts, write_long(0), sync])


def _read_bytes(content: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_long(content, position)
    if length < 0 or position + length > len(content):
        raise ContainerError(f"the header is truncated at byte {position}")
    return content[position : position + length], position + length

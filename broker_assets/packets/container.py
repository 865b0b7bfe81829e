"""Avro object-container files at byte level: header, blocks, codecs.

Implements only Avro 1.12 ("Object Container Files"), independent of the meaning of records. Every length is checked
against the available bytes before it is used, and nothing is decompressed beyond a limit.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import zstandard

MAGIC: Final = b"Obj\x01"
SYNC_BYTES: Final = 16
CODECS: Final = ("null", "deflate", "zstandard", "snappy")
DECOMPRESSED_MAXIMUM: Final = 64 << 20
"""Bytes of a decompressed block, at most: an alert with all its cutouts has a hundredth of that."""
_PIECE: Final = 1 << 20
"""Bytes of a gzip file decompressed at a time."""

_COMPRESSIONS: Final = {
    b"\x1f\x8b\x08": "gzip",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
}
"""First bytes of compressed files."""


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

    def datums(
        self, content: bytes, header: ContainerHeader, *, maximum: int = DECOMPRESSED_MAXIMUM
    ) -> tuple[bytes, int, int]:
        """Buffer with the concatenated records, their start in it, and the byte after them; see `decompress`."""
        if header.codec == "null":
            return content, self.data, self.data + self.length
        records = decompress(content[self.data : self.data + self.length], header.codec, maximum=maximum)
        return records, 0, len(records)


def compression_of(content: bytes) -> str | None:
    """Name of the compression of a whole file, from its first bytes.

    Examples
    --------
    >>> compression_of(b"\\x1f\\x8b\\x08"), compression_of(MAGIC)
    ('gzip', None)
    """
    return next((name for first, name in _COMPRESSIONS.items() if content.startswith(first)), None)


def gunzip(content: bytes, maximum: int) -> bytes:
    """Decompress gzip, one or several members.

    Raises
    ------
    ContainerError
        If it is damaged, or longer than `maximum` bytes when decompressed.
    """
    result, damage = gunzip_until_damage(content, maximum)
    if damage:
        raise ContainerError(damage)
    return result


def gunzip_until_damage(content: bytes, maximum: int) -> tuple[bytes, str]:
    """Content of gzip data up to any damage or truncation, and what is wrong with them; empty if nothing is.

    Raises
    ------
    ContainerError
        If it is longer than `maximum` bytes when decompressed.

    Examples
    --------
    >>> gunzip_until_damage(gzip.compress(b"Obj") + b"more", 10)
    (b'Obj', "the gzip data are damaged: Not a gzipped file (b'mo')")
    """
    pieces: list[bytes] = []
    left, damage = maximum + 1, ""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            # Piece by piece: a single read would lose what lies before the damage.
            while left > 0 and (piece := stream.read1(min(left, _PIECE))):
                pieces.append(piece)
                left -= len(piece)
    except EOFError:
        damage = "the gzip data are truncated"
    except (OSError, zlib.error) as error:
        damage = f"the gzip data are damaged: {error}"
    if left <= 0:
        raise ContainerError(f"the gzip data are longer than {maximum} bytes when decompressed")
    return b"".join(pieces), damage


def read_header(content: bytes) -> ContainerHeader:
    """Read the header of a container.

    Raises
    ------
    ContainerError
        If the bytes do not begin with a header; the message says what is wrong and at which byte.
    """
    if content[:4] != MAGIC:
        compression = compression_of(content)
        raise ContainerError(
            f"not an Avro container, but compressed with {compression}: decompress it first"
            if compression
            else f"not an Avro container: begins with {content[:4]!r} instead of {MAGIC!r}"
        )
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
    """The block that begins at a byte.

    Raises
    ------
    ContainerError
        If it is truncated, has a negative size, or does not end in the sync marker.
    """
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


def decompress(data: bytes, codec: str, *, maximum: int = DECOMPRESSED_MAXIMUM) -> bytes:
    """Decompress the records of a block.

    Parameters
    ----------
    data : bytes
        Records as in the block.
    codec : str
        One of `CODECS`.
    maximum : int
        Size beyond which decompression stops, bytes.

    Raises
    ------
    ContainerError
        If the data are damaged, or larger than `maximum` when decompressed.
    """
    try:
        if codec == "null":
            return data
        if codec == "deflate":
            return _inflate(data, maximum)
        if codec == "zstandard":
            return _decompress_zstandard(data, maximum)
        return _decompress_snappy(data, maximum)
    except (zlib.error, zstandard.ZstdError, pa.ArrowException, OSError, MemoryError, OverflowError) as error:
        raise ContainerError(f"the {codec} block is damaged: {error}") from error


def _too_large(codec: str, maximum: int) -> ContainerError:
    return ContainerError(f"the {codec} block has more than {maximum} bytes when decompressed")


def _inflate(data: bytes, maximum: int) -> bytes:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    result = decompressor.decompress(data, maximum + 1)
    if len(result) > maximum:
        raise _too_large("deflate", maximum)
    if not decompressor.eof:
        raise ContainerError("the deflated block is truncated")
    return result


def _decompress_zstandard(data: bytes, maximum: int) -> bytes:
    """Decompress one frame, whether or not it declares the size of its content (Java's writers do not)."""
    size = zstandard.frame_content_size(data)
    if size > maximum:
        raise _too_large("zstandard", maximum)
    if size >= 0:
        return zstandard.ZstdDecompressor().decompress(data)
    parts, total = [], 0
    # A frame also chooses how much memory its decompression takes, the window.
    with zstandard.ZstdDecompressor(max_window_size=DECOMPRESSED_MAXIMUM).stream_reader(data) as reader:
        while part := reader.read(1 << 20):
            parts.append(part)
            total += len(part)
            if total > maximum:
                raise _too_large("zstandard", maximum)
    return b"".join(parts)


def _decompress_snappy(data: bytes, maximum: int) -> bytes:
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
    if size > maximum:
        raise _too_large("snappy", maximum)
    result: bytes = pa.decompress(data[:-4], decompressed_size=size, codec="snappy", asbytes=True)
    if zlib.crc32(result) != int.from_bytes(data[-4:], "big"):
        raise ContainerError("the checksum of the snappy block is wrong")
    return result


def read_long(content: bytes, position: int) -> tuple[int, int]:
    """Read a zigzag variable-length integer; return it and the position after it.

    Raises
    ------
    ContainerError
        If it is truncated or has more than 64 bits.

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
            break
    if value >> 64 or shift > 63:
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

"""Telemetry files as bounded streams of plain bytes: compressed ones are expanded, other encodings converted.

`files` determines the kind of a file; this module only makes it readable. Files arrive from elsewhere, so each has
limits, which an operator may change (settings `telemetry.input_limits`).
"""

from __future__ import annotations

import codecs
import gzip
import io
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

BLOCK: Final = 1 << 20
SMALL_BYTES: Final = 64 << 20
"""Bytes to which a compressed file may always expand, however small it is."""
LARGEST_RATIO: Final = 1032
"""Deflate cannot expand a byte to more."""
COMPRESSED: Final = {
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstandard", "unzstd"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"\x1f\x9d": ("compress", "uncompress"),
}
"""First bytes of files that are not opened: name and program that expands them."""
ENCODINGS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
"""First bytes of texts with more than one byte per character, the longer ones first."""
EBCDIC: Final = b"\x4c\x6f\xa7\x94"
"""`<?xm` in EBCDIC."""


class UnknownFile(ValueError):
    """A file is not of a kind that contains packets; the message names it."""


class FileTooLarge(UnknownFile):
    """A file exceeds a limit; the message names the setting."""


@dataclass(frozen=True)
class FileLimits:
    """Limits of one telemetry file."""

    file_bytes: int = 8 << 30
    """Bytes, after decompression."""
    expansion: int = 200
    """Bytes that a byte of a compressed file may become (files that expand to less than `SMALL_BYTES` always may)."""
    table_bytes: int = 1 << 30
    """Bytes of a FITS file of level LB, which is in memory as a whole."""
    packets: int = 10_000_000
    """Packets, at most."""
    bad_pieces: int = 100_000
    """Pieces that cannot be used, at most; each is recorded and kept."""
    bad_bytes: int = 1 << 28
    """Bytes of these pieces."""

    def exceeded(self, name: str, limit: str, what: str) -> FileTooLarge:
        """The error for a file that exceeds a limit."""
        value = getattr(self, limit)
        return FileTooLarge(f"{name} {what} {value:,} (setting telemetry.input_limits.{limit})")


class PlainStream(io.RawIOBase):
    """The bytes that a file holds, read from its beginning.

    Parameters
    ----------
    stream : binary file
        Seekable.
    size : int
        Bytes, at most."""

    def __init__(self, stream: BinaryIO, size: int = 0) -> None:
        self._stream = stream
        self.size = size
        self.damage = ""
        """Why reading ended before the end of the file."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self.damage = ""
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def read(self, size: int = -1, /) -> bytes:
        if not isinstance(self._stream, gzip.GzipFile):
            return self._stream.read(size)
        # Piece by piece: a single read would lose what precedes the damage.
        pieces: list[bytes] = []
        left = sys.maxsize if size < 0 else size
        try:
            while left > 0 and (piece := self._stream.read1(min(left, BLOCK))):
                pieces.append(piece)
                left -= len(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = f"the compressed file is damaged: {error}"
        return b"".join(pieces)


class _Recoded(PlainStream):
    """Text of another encoding as UTF-8; what is not text becomes the replacement character."""

    def __init__(self, stream: BinaryIO, size: int, encoding: str) -> None:
        super().__init__(stream, size)
        self._encoding = encoding
        self._begin()

    def _begin(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors="replace")
        self._rest = b""
        self._ended = False

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to the beginning."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only the beginning can be sought")
        self._begin()
        return super().seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        while not self._ended and (size < 0 or len(self._rest) < size):
            read = super().read(BLOCK)
            self._ended = not read
            self._rest += self._decoder.decode(read, final=self._ended).encode("utf-8", "replace")
        found, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return found


@contextmanager
def opened(path: str | Path | BinaryIO, limits: FileLimits) -> Iterator[tuple[PlainStream, str]]:
    """A file as plain bytes, and its name.

    Parameters
    ----------
    path : path or seekable binary file
        A file is left open.
    limits : FileLimits

    Raises
    ------
    UnknownFile
        If it has an unsupported compression or encoding, or is not a regular file; the message says what to do.
    FileTooLarge
        If it has too many bytes.
    """
    if isinstance(path, str | Path):
        refuse_special(Path(path))
        with Path(path).open("rb") as stream:
            yield _plain(stream, str(path), limits), str(path)
    else:
        # A name may be the number of a descriptor.
        name = str(getattr(path, "name", "<stream>"))
        yield _plain(path, name, limits), name


def refuse_special(path: Path) -> None:
    """Refuse pipes and devices: opening a pipe would wait for its other end, a device may never end.

    Raises
    ------
    UnknownFile
        If it is not a regular file; the message says what it is.
    OSError
        If there is nothing with that name.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a NUL in a name
        raise UnknownFile(f"{str(path)!r} is not the name of a file: {error}") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise UnknownFile(f"{path} is {what}, not a file")


def _plain(stream: BinaryIO, name: str, limits: FileLimits) -> PlainStream:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if size > limits.file_bytes:
        raise limits.exceeded(name, "file_bytes", f"has {size:,} bytes; the limit is")
    if _head(stream).startswith(b"\x1f\x8b\x08"):
        stream, size = _expanded(stream, name, size, limits)
    plain = PlainStream(stream, size)
    head = _head(plain)
    for beginning, (method, program) in {**COMPRESSED, b"\x1f\x8b\x08": ("gzip twice", "gunzip")}.items():
        if head.startswith(beginning):
            raise UnknownFile(f"{name} is compressed with {method}; expand it first, with {program}")
    if head.startswith(EBCDIC):
        raise UnknownFile(f"{name} is XML in EBCDIC; convert it to UTF-8 first, with iconv -f EBCDIC-US -t UTF-8")
    encoding = next((encoding for beginning, encoding in ENCODINGS if head.startswith(beginning)), None)
    # Two zero bytes and a `<` may also begin a ground-segment header: text has no zero byte after its third character.
    if encoding is None or (encoding.endswith("e") and not _is_text(head, encoding)):
        return plain
    return _Recoded(stream, size, encoding)


def _is_text(head: bytes, encoding: str) -> bool:
    """Whether the first bytes are printable text in an encoding without a byte order mark."""
    width = 4 if "32" in encoding else 2
    text = head[: len(head) // width * width].decode(encoding, "replace")
    return len(text) > 1 and all(" " <= letter <= "~" or letter in "\t\r\n" for letter in text)


def _head(stream: BinaryIO | PlainStream) -> bytes:
    head = stream.read(16) or b""
    stream.seek(0)
    return head


def _expanded(stream: BinaryIO, name: str, size: int, limits: FileLimits) -> tuple[BinaryIO, int]:
    """The content of a gzip file, and the maximum number of its bytes, which are counted first."""
    expanded = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    allowed = max(SMALL_BYTES, limits.expansion * size)
    most = min(limits.file_bytes, allowed)
    if size * LARGEST_RATIO <= most:
        return expanded, size * LARGEST_RATIO
    counting, found = PlainStream(expanded), 0
    while read := counting.read(BLOCK):
        found += len(read)
        if found > most:
            limit = "file_bytes" if most < allowed else "expansion"
            raise limits.exceeded(name, limit, f"expands from {size:,} bytes to more than {most:,}; the limit is")
    expanded.seek(0)
    return expanded, found

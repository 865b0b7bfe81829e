"""Alert packets from files, as messages for a topic.

A file with one packet (a ZTF container, a Confluent-framed message, a bare datum) is used unchanged. A container of
several packets is split into containers of one; files of the packet archive give the messages as they were received.
Folders and the survey's nightly archives (`.tar`, `.tar.gz`, `.zip`) are read in order of name. Only the current packet
is kept in memory.
"""

from __future__ import annotations

import errno
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Literal, cast

from broker_assets.packets.archive import ArchiveError, read_file
from broker_assets.packets.container import (
    MAGIC,
    ContainerError,
    compression_of,
    gunzip_until_damage,
    read_blocks,
    read_header,
    write_header,
    write_long,
)
from broker_assets.packets.framing import framed_schema
from broker_assets.packets.limits import FILE_BYTES
from broker_assets.packets.records import RecordSplitter
from broker_assets.packets.registry import SchemaNotFound
from broker_assets.packets.schema import SchemaError

Framing = Literal["keep", "confluent", "container", "bare"]
SUFFIXES = (".avro", ".avro.gz")
"""Suffix of files read from folders and archives; a file given explicitly may have any name."""
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


class PacketFileError(ValueError):
    """A file does not contain what was expected; the message names file and byte."""


@dataclass(frozen=True, slots=True)
class FilePacket:
    """One packet and its location."""

    value: bytes
    """The message."""
    origin: str
    """File, member of an archive and byte, for messages."""
    key: bytes | None = None
    """The key with which it was received, if the file has it."""


def read_packets(
    paths: Iterable[Path],
    *,
    framing: Framing = "keep",
    schema_id: int | None = None,
    on_error: Callable[[PacketFileError], None] | None = None,
) -> Iterator[FilePacket]:
    """Packets of files, folders and archives, in order.

    Parameters
    ----------
    paths : iterable of Path
        Files to read.
    framing : {"keep", "confluent", "container", "bare"}
        Framing of the messages; `keep` leaves them unchanged. A bare or Confluent-framed datum cannot become a
        container, since it does not contain its schema.
    schema_id : int, optional
        Id for messages that get Confluent framing.
    on_error : callable, optional
        Called for a file that cannot be read, after the packets before the damage; the other files are read. Without it
        the error is raised.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    PacketFileError
        If a file cannot be read as packets; the message names the file and the byte.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        try:
            for name, file, content in _contents(path):
                try:
                    if isinstance(content, Exception):
                        raise content
                    for position, value, key in _split(content, file, framing, schema_id):
                        yield FilePacket(value, f"{name}, byte {position}", key)
                except Exception as error:  # noqa: BLE001 (isolation boundary: a file may be broken in any way)
                    _report(_error_of(name, error), on_error)
        except PacketFileError as error:  # the archive that contains the files
            _report(error, on_error)


def _error_of(name: str, error: Exception) -> PacketFileError:
    known = isinstance(error, ContainerError | ArchiveError | SchemaError | SchemaNotFound)
    wrapped = PacketFileError(f"{name}: {error}" if known else f"{name}: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def _report(error: PacketFileError, on_error: Callable[[PacketFileError], None] | None) -> None:
    if on_error is None:
        raise error
    on_error(error)


def _contents(path: Path) -> Iterator[tuple[str, Path | None, bytes | Exception]]:
    """Name, file (None for members of archives) and bytes of every packet file under a path, or why it has none."""
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            if child.is_file() and child.name.endswith((*SUFFIXES, *ARCHIVES)):
                yield from _contents(child)
        return
    lower = path.name.lower()
    if not lower.endswith(ARCHIVES):
        yield str(path), path, _or_error(path.read_bytes)
        return
    try:
        if lower.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(SUFFIXES):
                        _require_size(f"{path}:{name}", archive.getinfo(name).file_size)
                        # A member that is damaged or encrypted does not affect the others.
                        yield f"{path}:{name}", None, _or_error(partial(archive.read, name))
        else:
            # Read as a stream: a nightly archive of ZTF is a hundred gigabytes and has no directory.
            with tarfile.open(path, "r|*") as tar:
                for member in tar:
                    if member.isfile() and member.name.endswith(SUFFIXES):
                        _require_size(f"{path}:{member.name}", member.size)
                        yield f"{path}:{member.name}", None, cast("IO[bytes]", tar.extractfile(member)).read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise PacketFileError(f"{path} is damaged: {error}") from error


def _or_error(read: Callable[[], bytes]) -> bytes | Exception:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 (isolation boundary: a file may be broken in any way)
        return error


def _require_size(name: str, size: int) -> None:
    if size > FILE_BYTES:
        raise PacketFileError(f"{name} has {size} bytes; at most {FILE_BYTES} are read")


def _split(
    content: bytes, file: Path | None, framing: Framing, schema_id: int | None
) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Position in the file, message and key of each packet."""
    compression = compression_of(content)
    if compression == "gzip":
        whole, damage = gunzip_until_damage(content, FILE_BYTES)
        if whole or not damage:
            yield from _messages(whole, None, framing, schema_id)
        if damage:
            raise ContainerError(damage)
        return
    if compression is not None:
        raise ContainerError(f"the file is compressed with {compression}: decompress it first")
    yield from _messages(content, file, framing, schema_id)


def _messages(
    content: bytes, file: Path | None, framing: Framing, schema_id: int | None
) -> Iterator[tuple[int, bytes, bytes | None]]:
    """`_split` for content that is not compressed."""
    if not content:
        raise ContainerError("the file is empty")
    if not content.startswith(MAGIC):
        # A datum begins with an identifier or a string: five bytes that look like a Confluent header with a small
        # id are one.
        confluent = content[0] == 0 and 0 < int.from_bytes(content[1:5], "big") < 1 << 24
        yield 0, _framed(content, confluent, framing, schema_id), None
        return
    header = read_header(content)
    if "broker.index" in header.metadata:
        if file is None:
            raise ContainerError("a file of the packet archive must first be extracted from its archive")
        for packet in read_file(str(file)):
            if framing == "keep":
                yield packet.position, packet.value, packet.key
            elif framing == "container":
                yield packet.position, replace(packet, framing="container").value, packet.key
            else:
                number = schema_id if schema_id is not None else packet.schema.schema_id
                yield packet.position, _framed(packet.datum, False, framing, number), packet.key
        return
    blocks, broken = [], None
    try:
        for block in read_blocks(content, header):
            blocks.append(block)  # noqa: PERF402 (those before the damage are kept)
    except ContainerError as error:  # after the packets before it
        broken = error
    if broken is None and len(blocks) == 1 and blocks[0].records == 1 and framing in ("keep", "container"):
        yield 0, content, None
        return
    splitter = RecordSplitter(framed_schema(header.schema_text).schema)
    start = write_header({"avro.schema": header.schema_text, "avro.codec": b"null"}, header.sync)
    for block in blocks:
        for datum in splitter.datums(content, header, block):
            if framing in ("keep", "container"):
                yield block.position, b"".join((start, write_long(1), write_long(len(datum)), datum, header.sync)), None
            else:
                yield block.position, _framed(datum, False, framing, schema_id), None
    if broken is not None:
        raise broken


def _framed(message: bytes, confluent: bool, framing: Framing, schema_id: int | None) -> bytes:
    if framing == "container":
        raise ContainerError("a datum without its schema cannot be put into a container")
    if framing == "bare":
        return message[5:] if confluent else message
    if framing == "confluent" and not confluent:
        if schema_id is None:
            raise ContainerError("Confluent framing of a bare datum needs a schema id (--schema-id)")
        return b"\x00" + schema_id.to_bytes(4, "big") + message
    return message


def count_files(paths: Sequence[Path]) -> int | None:
    """Number of files, as a measure of progress; None if archives or containers make it unknown."""
    total = 0
    for path in paths:
        if path.is_dir():
            children = [child for child in path.rglob("*") if child.is_file()]
            if any(child.name.endswith(ARCHIVES) for child in children):
                return None
            total += sum(child.name.endswith(SUFFIXES) for child in children)
        elif path.name.lower().endswith(ARCHIVES):
            return None
        else:
            total += 1
    return total

"""Files of telemetry: what kind a file is, and every packet in it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, cast

from broker_assets.telemetry.packets.batches import BadPacket, RawPacket
from broker_assets.telemetry.packets.packet_tables import FITS_BEGINNING, NotPackets, read_tables
from broker_assets.telemetry.packets.sources import BLOCK, FileLimits, FileTooLarge, PlainStream, UnknownFile, opened
from broker_assets.telemetry.packets.space_packets import read_binary, read_hex
from broker_assets.telemetry.packets.telecommands import TelecommandReport, read_reports
from broker_assets.telemetry.packets.xml_packets import read_xml

__all__ = ["FileKind", "FileLimits", "FileTooLarge", "UnknownFile", "kind_of", "read", "reports"]

FileKind = Literal["telemetry", "telecommands", "binary", "hex", "tables"]

SNIFFED = 4096
"""Bytes that identify the kind of a file."""
_HEX = re.compile(rb"[0-9A-Fa-f\s,;:]+")
_NOT_TEXT = re.compile(rb"[^\t\n\r\x20-\x7e]")


def kind_of(path: str | Path | BinaryIO) -> FileKind:
    """The kind of a file, from its first bytes; for compressed files and other encodings, the kind of the content.

    Parameters
    ----------
    path : path or binary file
        A file is left at its beginning.

    Returns
    -------
    {"telemetry", "telecommands", "binary", "hex", "tables"}
        `PktTmRaw` XML, `PktTcReport` XML, space packets one after another, their hexadecimal text, or FITS.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnknownFile
        If it is XML of another kind, or empty, or text, or compressed in an unsupported way.

    Examples
    --------
    >>> kind_of(io.BytesIO(b"0da1c000000d1001"))
    'hex'
    """
    with opened(path, FileLimits()) as (stream, name):
        return _kind(stream, name)


def _kind(stream: PlainStream, name: str) -> FileKind:
    head = b""
    while len(head) < SNIFFED and (read := stream.read(SNIFFED - len(head))):
        head += read
    stream.seek(0)
    if head.startswith(FITS_BEGINNING):
        return "tables"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnknownFile(f"{name} is empty")
    if b"PktTcReportResponse" in head:
        return "telecommands"
    if b"PktRawResponse" in head:
        return "telemetry"
    if text.startswith(b"<"):
        raise UnknownFile(f"{name} is XML without PktRawResponse or PktTcReportResponse in its first {SNIFFED} bytes")
    if _NOT_TEXT.search(text):
        return "binary"
    # A damaged line must not hide the others.
    if len(_HEX.sub(b"", text)) <= len(text) // 4:
        return "hex"
    raise UnknownFile(f"{name} is text, but neither XML nor hexadecimal")


def read(
    path: str | Path | BinaryIO, *, name: str | None = None, limits: FileLimits = FileLimits()
) -> Iterator[RawPacket | BadPacket]:
    """Every packet of a file, in its order, with bounded memory.

    Parameters
    ----------
    path : path or seekable binary file
        Plain or compressed with gzip; text in UTF-8, UTF-16 or UTF-32.
    name : str, optional
        Name of the file for its packets; that of the file by default. Those of level LB keep the names in its tables.
    limits : FileLimits
        Limits of one file.

    Yields
    ------
    RawPacket or BadPacket
        A packet without ground-segment header, or what is there instead. One damaged packet affects no other. Idle
        packets are skipped.

    Raises
    ------
    UnknownFile
        If the file holds no packets (telecommand reports included: see `reports`), or exceeds a limit.
    """
    with opened(path, limits) as (stream, own_name):
        name = name or own_name
        kind = _kind(stream, name)
        if kind == "telecommands":
            raise UnknownFile(f"{name} holds telecommand reports, no packets")
        if kind == "tables" and stream.size > limits.table_bytes:
            raise limits.exceeded(name, "table_bytes", "is a FITS file of more bytes than")
        readers = {"telemetry": read_xml, "binary": read_binary, "hex": _read_lines, "tables": read_tables}
        try:
            yield from _bounded(readers[kind](stream, name), name, limits)  # type: ignore[operator,arg-type]
        except NotPackets as error:
            raise UnknownFile(str(error)) from error
        if stream.damage:
            yield BadPacket(stream.damage, b"", name)


def reports(
    path: str | Path | BinaryIO, *, name: str | None = None, limits: FileLimits = FileLimits()
) -> Iterator[TelecommandReport | BadPacket]:
    """Every telecommand report of a `PktTcReport` file.

    Raises
    ------
    UnknownFile
        If the file is of another kind, or exceeds a limit.
    """
    with opened(path, limits) as (stream, own_name):
        name = name or own_name
        if _kind(stream, name) != "telecommands":
            raise UnknownFile(f"{name} holds no telecommand reports")
        yield from _bounded(read_reports(cast(BinaryIO, stream), name), name, limits)
        if stream.damage:
            yield BadPacket(stream.damage, b"", name)


def _read_lines(stream: PlainStream, name: str) -> Iterator[RawPacket | BadPacket]:
    return read_hex(io.BufferedReader(stream, BLOCK), name)


_Found = TypeVar("_Found", RawPacket, TelecommandReport)


def _bounded(found: Iterator[_Found | BadPacket], name: str, limits: FileLimits) -> Iterator[_Found | BadPacket]:
    """What is found, until a limit is exceeded."""
    packets = bad = size = 0
    for item in found:
        if isinstance(item, BadPacket):
            bad, size = bad + 1, size + len(item.data)
            if bad > limits.bad_pieces:
                raise limits.exceeded(name, "bad_pieces", "has pieces that cannot be used, more than")
            if size > limits.bad_bytes:
                raise limits.exceeded(name, "bad_bytes", "has bytes that cannot be used, more than")
        else:
            packets += 1
            if packets > limits.packets:
                raise limits.exceeded(name, "packets", "has more packets than")
        yield item

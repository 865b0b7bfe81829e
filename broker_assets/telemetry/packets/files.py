"""Files of telemetry: what kind a file is, and every packet in it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

from broker_assets.telemetry.packets.batches import BadPacket, RawPacket
from broker_assets.telemetry.packets.packet_tables import FITS_BEGINNING, NotPackets, read_tables
from broker_assets.telemetry.packets.space_packets import read_binary, read_hex
from broker_assets.telemetry.packets.telecommands import TelecommandReport, read_reports
from broker_assets.telemetry.packets.xml_packets import read_xml

FileKind = Literal["telemetry", "telecommands", "binary", "hex", "tables"]

SNIFFED = 4096
"""Bytes that identify the kind of a file."""
_HEX = re.compile(rb"[0-9A-Fa-f\s]+")
_NOT_TEXT = re.compile(rb"[^\t\n\r\x20-\x7e]")


class UnknownFile(ValueError):
    """A file is none of the kinds that hold packets; the message names it."""


def kind_of(path: str | Path | BinaryIO) -> FileKind:
    """What a file holds, judged by its first bytes.

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
        If it is XML of another kind, or empty, or text.

    Examples
    --------
    >>> kind_of(io.BytesIO(b"0da1c000000d1001"))
    'hex'
    """
    stream, name, owned = _open(path)
    try:
        head = stream.read(SNIFFED)
        stream.seek(0)
    finally:
        if owned:
            stream.close()
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
    if _NOT_TEXT.search(head):
        return "binary"
    # A damaged line must not hide the others.
    if len(_HEX.sub(b"", head)) <= len(head) // 4:
        return "hex"
    raise UnknownFile(f"{name} is text, but neither XML nor hexadecimal")


def read(path: str | Path | BinaryIO, *, name: str | None = None) -> Iterator[RawPacket | BadPacket]:
    """Every packet of a file, in its order, with bounded memory.

    Parameters
    ----------
    path : path or seekable binary file
        `PktTmRaw` XML, space packets one after another, their hexadecimal text, or a FITS file of level LB.
    name : str, optional
        Name given to the packets; that of the file by default. Those of level LB keep the names in its tables.

    Yields
    ------
    RawPacket or BadPacket
        A packet without ground-segment header, or what stands in its place. One damaged packet costs no other.

    Raises
    ------
    UnknownFile
        If the file holds no packets (telecommand reports included: see `reports`).
    """
    stream, own_name, owned = _open(path)
    name = name or own_name
    try:
        kind = kind_of(stream)
        if kind == "telecommands":
            raise UnknownFile(f"{name} holds telecommand reports, no packets")
        readers = {"telemetry": read_xml, "binary": read_binary, "hex": read_hex, "tables": read_tables}
        yield from readers[kind](stream, name)  # type: ignore[operator]
    except NotPackets as error:
        raise UnknownFile(str(error)) from error
    finally:
        if owned:
            stream.close()


def reports(path: str | Path | BinaryIO, *, name: str | None = None) -> Iterator[TelecommandReport | BadPacket]:
    """Every telecommand report of a `PktTcReport` file.

    Raises
    ------
    UnknownFile
        If the file is of another kind.
    """
    stream, own_name, owned = _open(path)
    name = name or own_name
    try:
        if kind_of(stream) != "telecommands":
            raise UnknownFile(f"{name} holds no telecommand reports")
        yield from read_reports(stream, name)
    finally:
        if owned:
            stream.close()


def _open(path: str | Path | BinaryIO) -> tuple[BinaryIO, str, bool]:
    if isinstance(path, str | Path):
        return Path(path).open("rb"), str(path), True
    return cast(io.BufferedReader, path), getattr(path, "name", "<stream>"), False

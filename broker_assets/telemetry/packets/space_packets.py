"""Finding space packets in plain bytes: behind a ground-segment header, one after another, after damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from broker_assets.telemetry.packets.batches import BadPacket, RawPacket
from broker_assets.telemetry.packets.headers import LARGEST_PACKET, PRIMARY_BYTES, TELECOMMAND_BYTES

GROUND_HEADER = 76
"""Bytes the ground segment puts before a packet; nothing in them is used."""
CHUNK = 4 * 1024**2
SERIES = 3
"""This many packets must follow one another before a place in damaged bytes is accepted as their start."""
MOST_BARE = 64
"""This many packets without secondary header may follow one another."""
_FIRST_BYTE = re.compile(rb"[\x08-\x0f\x18-\x1f]|[\x07\x17]\xff")
_MARK = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8."""
_BLANKS = bytes.maketrans(b",;:", b"   ")
"""Characters that may separate hexadecimal numbers."""
_PREFIX_0X = re.compile(rb"\b0[xX](?=[0-9A-Fa-f])")


def _is_packet(data: bytes | bytearray, start: int) -> bool:
    """Whether a whole packet, idle or with a secondary header, begins at `start` and ends with the data."""
    return len(data) - start >= PRIMARY_BYTES and _plausible(data, start) and start + _length(data, start) == len(data)


def is_idle(data: bytes | bytearray, start: int = 0) -> bool:
    """Whether an idle packet begins at `start`: version 0, no secondary header, application process 2047.

    Examples
    --------
    >>> is_idle(bytes.fromhex("07ffc000000055")), is_idle(bytes.fromhex("0da1c000000d1001"))
    (True, False)
    """
    return data[start : start + 1] in (b"\x07", b"\x17") and data[start + 1 : start + 2] == b"\xff"


def _plausible(data: bytes | bytearray, start: int) -> bool:
    # Version 0 and a secondary header in the first byte; PUS version 1 or 2 in the seventh, if it is there.
    with_header = data[start] & 0b11101000 == 0b1000 and (len(data) - start <= 6 or data[start + 6] >> 4 & 7 in (1, 2))
    return with_header or is_idle(data, start)


def _length(data: bytes | bytearray, start: int) -> int:
    return int.from_bytes(data[start + 4 : start + 6], "big") + 7


NO_HEADER = "the packet has no secondary header"


def find_packet(data: bytes | bytearray) -> int | None:
    """Offset at which the space packet begins: after the ground-segment header, or at the beginning.

    Parameters
    ----------
    data : bytes
        Content of one element or line.

    Returns
    -------
    int or None
        76 or 0; None if no packet that ends with the data begins at either place.

    Examples
    --------
    >>> packet = bytes.fromhex("0da1c000000d10010100274db0d40000000000 00")
    >>> find_packet(bytes(76) + packet), find_packet(packet), find_packet(packet[1:])
    (76, 0, None)
    """
    return next((start for start in (GROUND_HEADER, 0) if _is_packet(data, start)), None)


def why_no_packet(data: bytes) -> str:
    """Why `find_packet` finds nothing.

    Examples
    --------
    >>> why_no_packet(bytes.fromhex("0da1c000000d10010100"))
    'the packet has 10 bytes and its header says 20'
    """
    for start in (GROUND_HEADER, 0):
        if len(data) - start >= PRIMARY_BYTES and _plausible(data, start):
            return f"the packet has {len(data) - start} bytes and its header says {_length(data, start)}"
    for start in (GROUND_HEADER, 0):
        if _bare_end(data, start, 0) == len(data):
            return NO_HEADER
    return f"{len(data)} bytes are not a space packet, with or without {GROUND_HEADER} bytes of header before it"


def read_binary(stream: BinaryIO, name: str, *, chunk: int = CHUNK) -> Iterator[RawPacket | BadPacket]:
    """Packets that lie one after another in a file, with or without the ground-segment header before each.

    Where no packet begins, or one seems to end inside another, reading resumes at the next place where a series of
    packets begins; the bytes between are a `BadPacket`, as is a packet without secondary header. Idle packets are
    skipped.

    Parameters
    ----------
    stream : binary file
    name : str
        Name of the file, given to each packet.
    chunk : int
        Bytes read at a time; bounds memory, not the result.
    """
    window = (SERIES + 1) * (LARGEST_PACKET + GROUND_HEADER)
    buffer, offset, start, ended = b"", 0, 0, False
    prefix: int | None = None
    while True:
        while not ended and len(buffer) - start < window:
            read = stream.read(max(chunk, 1))
            ended = not read
            buffer, offset, start = buffer[start:] + read, offset + start, 0
        if start >= len(buffer):
            return
        if prefix is None:
            behind = [_series(buffer, 0, before, bare_first=True) for before in (0, GROUND_HEADER)]
            prefix = GROUND_HEADER if behind == [False, True] else 0
        end = _end(buffer, start, prefix)
        if end is not None and not _series(buffer, end, prefix, SERIES - 1, bare_first=True):
            # Bytes are missing in this packet, or something else than a packet follows it.
            inside = _next_series(buffer, start + 1, end, prefix)
            end = end if inside is None else None
        else:
            inside = None
        if end is not None:
            if not is_idle(buffer, start + prefix):
                yield RawPacket(buffer[start + prefix : end], name, offset + start)
            start = end
            continue
        bare = _bare_end(buffer, start, prefix)
        if inside is None and bare is not None and _series(buffer, bare, prefix, SERIES - 1, bare_first=True):
            yield BadPacket(NO_HEADER, buffer[start:bare], name, offset + start)
            start = bare
            continue
        limit = min(len(buffer), start + LARGEST_PACKET)
        resume = inside if inside is not None else _next_series(buffer, start + 1, limit, prefix)
        stop = limit if resume is None else resume
        cut = len(buffer) - start - prefix >= PRIMARY_BYTES and _plausible(buffer, start + prefix)
        reason = "the packet is truncated" if cut else "these bytes are not a space packet"
        yield BadPacket(reason, buffer[start:stop], name, offset + start)
        start = stop


def _end(buffer: bytes, start: int, prefix: int) -> int | None:
    """End of the packet at `start`, or None if no whole packet is there."""
    begin = start + prefix
    least = PRIMARY_BYTES + 1 if is_idle(buffer, begin) else TELECOMMAND_BYTES
    if len(buffer) - begin < least or not _plausible(buffer, begin):
        return None
    end = begin + _length(buffer, begin)
    return end if end <= len(buffer) else None


def _bare_end(buffer: bytes, start: int, prefix: int) -> int | None:
    """End of a packet without secondary header at `start`, or None: version 0 and bytes that are not all zero."""
    begin = start + prefix
    head = buffer[begin : begin + PRIMARY_BYTES]
    if len(head) < PRIMARY_BYTES or head[0] & 0b11101000 or not any(head):
        return None
    end = begin + _length(buffer, begin)
    return end if end <= len(buffer) else None


def _series(buffer: bytes, start: int, prefix: int, count: int = SERIES, *, bare_first: bool = False) -> bool:
    """Whether `count` packets follow one another from `start`, or fewer up to the end of the buffer.

    Packets without secondary header may be between them: `SERIES` in a row, or `MOST_BARE` if the series may also begin
    with one (`bare_first`). Any bytes may look like such a packet, so these alone must not make a series after damage.
    """
    found = bare = 0
    while found < count:
        if start == len(buffer):
            return True
        end = _end(buffer, start, prefix)
        if end is not None:
            found, bare = found + 1, 0
        else:
            bare += 1
            end = _bare_end(buffer, start, prefix)
            if end is None or bare > (MOST_BARE if bare_first else SERIES) or not (found or bare_first):
                return False
        start = end
    return True


def _next_series(buffer: bytes, start: int, stop: int, prefix: int) -> int | None:
    """The first place from `start` to before `stop` at which a series of packets begins."""
    for match in _FIRST_BYTE.finditer(buffer, start + prefix, min(stop + prefix, len(buffer))):
        if _series(buffer, match.start() - prefix, prefix):
            return match.start() - prefix
    return None


def read_hex(stream: BinaryIO, name: str) -> Iterator[RawPacket | BadPacket]:
    """Packets in hexadecimal text, with or without `0x`, commas and colons: one per line, or broken over lines.

    A line that is not hexadecimal, or a packet that is truncated before the next one begins, is a `BadPacket`.
    """
    for item in _hex_packets(stream, name):
        if isinstance(item, BadPacket) or not is_idle(item.data):
            yield item


def _hex_packets(stream: BinaryIO, name: str) -> Iterator[RawPacket | BadPacket]:
    pending, pending_at, position = bytearray(), 0, 0
    # A line longer than two of the largest packets is read in pieces of even length.
    limit = 4 * (LARGEST_PACKET + GROUND_HEADER)
    while line := stream.readline(limit):
        at, position = position, position + len(line)
        text = b"".join(_PREFIX_0X.sub(b"", line.removeprefix(_MARK)).translate(_BLANKS).split())
        if not text:
            continue
        try:
            data = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            if pending:
                yield BadPacket("the packet is truncated", bytes(pending), name, pending_at)
                pending.clear()
            yield BadPacket("the line is not hexadecimal text", line, name, at)
            continue
        found = find_packet(data)
        if found is not None:
            if pending:
                yield BadPacket("the packet is truncated", bytes(pending), name, pending_at)
                pending.clear()
            yield RawPacket(data[found:], name, at)
            continue
        if not pending:
            pending_at = at
        pending += data
        while len(pending) >= PRIMARY_BYTES and _plausible(pending, 0) and _length(pending, 0) <= len(pending):
            size = _length(pending, 0)
            yield RawPacket(bytes(pending[:size]), name, pending_at)
            del pending[:size]
            pending_at = at
        found = find_packet(pending)
        if found is not None:
            yield RawPacket(bytes(pending[found:]), name, pending_at)
            pending.clear()
        elif len(pending) > LARGEST_PACKET + GROUND_HEADER:
            yield BadPacket("these bytes are not a space packet", bytes(pending), name, pending_at)
            pending.clear()
    if pending:
        reason = "the packet is truncated" if _plausible(pending, 0) else "these bytes are not a space packet"
        yield BadPacket(reason, bytes(pending), name, pending_at)

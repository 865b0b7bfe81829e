"""Packets of EDDS `PktTmRaw` files: hexadecimal text in XML elements."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO

from broker_assets.telemetry.packets.batches import BadPacket, RawPacket
from broker_assets.telemetry.packets.space_packets import find_packet, is_idle, why_no_packet
from broker_assets.telemetry.packets.xml_elements import CHUNK, Element, find_elements

_NUMBER = re.compile(rb"""packetID\s*=\s*["']\s*([0-9]{1,18})\s*["']""")
_CHILD = re.compile(rb"<[A-Za-z_][\w.:-]*(?:\s[^<>]*)?>([^<]*)(</)?")
_SECTION = re.compile(rb"<!--|<!\[CDATA\[")


def read_xml(stream: BinaryIO, name: str, *, chunk: int = CHUNK) -> Iterator[RawPacket | BadPacket]:
    """Every packet of a `PktTmRaw` file, in the order of the file.

    Parameters
    ----------
    stream : binary file
        At its beginning.
    name : str
        Name of the file, given to each packet.
    chunk : int
        Bytes read at a time; bounds memory, not the result.

    Yields
    ------
    RawPacket
        The space packet without the 76 bytes of ground-segment header, whether or not the file has them. Idle packets
        are skipped.
    BadPacket
        An element that holds no packet, or is truncated.
    """
    for element in find_elements(stream, "PktRawResponseElement", chunk=chunk):
        found = _packet(element, name)
        if isinstance(found, BadPacket) or not is_idle(found.data):
            yield found


def _without_sections(content: bytes) -> bytes:
    """Content without comments, and with the text of CDATA sections; each byte is read once.

    Examples
    --------
    >>> _without_sections(b"<a>0d<!-- 1 -->a1<![CDATA[c0]]></a><!-- no end")
    b'<a>0da1c0</a><!-- no end'
    """
    pieces = []
    start = 0
    while (section := _SECTION.search(content, start)) is not None:
        comment = section.group() == b"<!--"
        end = content.find(b"-->" if comment else b"]]>", section.end())
        if end < 0:
            break
        pieces.append(content[start : section.start()])
        if not comment:
            pieces.append(content[section.end() : end])
        start = end + 3
    return b"".join([*pieces, content[start:]])


def _packet(element: Element, name: str) -> RawPacket | BadPacket:
    number_text = _NUMBER.search(element.opening)
    number = int(number_text.group(1)) if number_text else None

    def bad(reason: str, data: bytes | None = None) -> BadPacket:
        return BadPacket(reason, element.text if data is None else data, name, element.position, number)

    content = element.content
    if b"<!" in content:
        content = _without_sections(content)
    child = _CHILD.search(content)
    if child is None:
        return bad("the element holds no packet" if element.closed else "the element is truncated before its packet")
    if child.group(2) is None:
        return bad("the hexadecimal text of the packet is truncated")
    text = child.group(1).strip()
    try:
        data = binascii.unhexlify(text)
    except binascii.Error:
        try:
            data = binascii.unhexlify(b"".join(text.split()))
        except binascii.Error as error:
            return bad(f"the packet is not hexadecimal text: {error}")
    found = find_packet(data)
    if found is None:
        return bad(why_no_packet(data), data)
    return RawPacket(data[found:], name, element.position, number)

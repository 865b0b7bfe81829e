"""Makes packets and telemetry files: for the simulator and for tests."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.instrument_rules import StructureKey
from broker_assets.telemetry.idb.layouts import HEADER_BITS, Group, Layout
from broker_assets.telemetry.packets.headers import FINE_PER_SECOND, TELEMETRY_BYTES
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER

STANDALONE, FIRST, CONTINUATION, LAST = 3, 1, 0, 2
"""Sequence flags."""


class EncodingError(ValueError):
    """Values do not fit the layout; the message names the parameter."""


@dataclass(frozen=True)
class PacketHeader:
    """Fields of a header other than service and length."""

    coarse: int = 0
    fine: int = 0
    sequence_count: int = 0
    sequence_flag: int = STANDALONE
    process_id: int = 93
    packet_category: int = 12


def telemetry_packet(key: StructureKey, data: bytes, header: PacketHeader | None = None) -> bytes:
    """A telemetry packet around its application data.

    Parameters
    ----------
    key : (service, subservice, structure id)
        The structure id is part of the data and not written.
    data : bytes
        Everything after the 16 header bytes.
    header : PacketHeader, optional

    Raises
    ------
    EncodingError
        If the time in the header does not fit its fields.

    Examples
    --------
    >>> telemetry_packet((17, 2, None), b"", PacketHeader(coarse=1)).hex()
    '0ddcc000000910110200000000010000'
    """
    header = header or PacketHeader()
    if not 0 <= header.fine < FINE_PER_SECOND or not 0 <= header.coarse < 1 << 32:
        raise EncodingError(f"{header.coarse}:{header.fine} is not an on-board time")
    word = 1 << 11 | header.process_id << 4 | header.packet_category
    sequence = header.sequence_flag << 14 | header.sequence_count & 0x3FFF
    length = TELEMETRY_BYTES + len(data) - 7
    first = word.to_bytes(2, "big") + sequence.to_bytes(2, "big") + length.to_bytes(2, "big")
    time = header.coarse.to_bytes(4, "big") + header.fine.to_bytes(2, "big")
    return first + bytes([0x10, key[0], key[1], 0]) + time + data


def encode(
    database: InstrumentDatabase,
    key: StructureKey,
    values: Mapping[str, int | Sequence[int]],
    header: PacketHeader | None = None,
) -> bytes:
    """A packet of a kind with given raw values.

    Parameters
    ----------
    database : InstrumentDatabase
    key : (service, subservice, structure id)
    values : mapping
        Raw value per parameter; a sequence in stream order for parameters in repeat groups. Parameters that are not
        given are 0; counters must be given. Overlapping words need not be: fields written later win.
    header : PacketHeader, optional

    Raises
    ------
    EncodingError
        If the kind is unknown, a value does not fit its width, or a sequence is too short or too long.
    """
    structure = database.structure(*key)
    if structure is None:
        raise EncodingError(f"database {database.version} has no packet kind {key}")
    data = encode_fields(database.layout(structure), values)
    if structure.checksum:
        packet = telemetry_packet(key, data + bytes(2), header)[:-2]
        return packet + binascii.crc_hqx(packet, 0xFFFF).to_bytes(2, "big")
    return telemetry_packet(key, data, header)


def encode_fields(layout: Layout, values: Mapping[str, int | Sequence[int]]) -> bytes:
    """The application data of a layout; see `encode`.

    Raises
    ------
    EncodingError
        If a value does not fit its width, or there are too few or too many.
    """
    remaining: dict[str, Iterator[int]] = {
        name: iter([value] if isinstance(value, int) else value) for name, value in values.items()
    }
    pieces: list[tuple[int, int, int]] = []
    end = HEADER_BITS

    def write(group: Group, position: int) -> int:
        nonlocal end
        for field in group.fields:
            parameter = field.parameter
            position = field.position if field.position is not None else position + field.offset
            value = 0
            if parameter.name in remaining:
                try:
                    value = next(remaining[parameter.name])
                except StopIteration:
                    raise EncodingError(f"there are too few values of {parameter.name}") from None
                low, high = (
                    (-(1 << parameter.width - 1), 1 << parameter.width - 1)
                    if parameter.signed
                    else (
                        0,
                        1 << parameter.width,
                    )
                )
                if not low <= value < high:
                    raise EncodingError(f"{parameter.name} = {value} does not fit {parameter.width} bits")
                pieces.append((position, parameter.width, value & ((1 << parameter.width) - 1)))
            position += parameter.width
            end = max(end, position)
            if field.repeats is not None:
                for _ in range(value):
                    position = write(field.repeats, position)
        return position

    write(layout.root, HEADER_BITS)
    for name, rest in remaining.items():
        if next(rest, None) is not None:
            raise EncodingError(f"there are more values of {name} than places")
    size = (end + 7) // 8
    content = bytearray(size)
    for position, width, value in pieces:
        first, last = position // 8, (position + width + 7) // 8
        shift = last * 8 - position - width
        word = int.from_bytes(content[first:last], "big")
        word = word & ~(((1 << width) - 1) << shift) | value << shift
        content[first:last] = word.to_bytes(last - first, "big")
    return bytes(content[HEADER_BITS // 8 :])


def to_xml(packets: Iterable[bytes], *, ground_header: bytes | None = bytes(GROUND_HEADER)) -> Iterator[bytes]:
    """A `PktTmRaw` file, piece by piece.

    Parameters
    ----------
    packets : iterable of bytes
        Space packets; they are numbered from 1.
    ground_header : bytes or None
        What precedes each packet; None for files that lack it.
    """
    yield b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    yield b'<ns2:ResponsePart xmlns:ns2="http://edds.egos.esa/model">\n<Response>\n<PktRawResponse>\n'
    for number, packet in enumerate(packets, 1):
        text = ((ground_header or b"") + packet).hex().encode()
        yield b'<PktRawResponseElement packetID="%d">\n<Packet>%s</Packet>\n</PktRawResponseElement>\n' % (number, text)
    yield b"</PktRawResponse>\n</Response>\n</ns2:ResponsePart>\n"

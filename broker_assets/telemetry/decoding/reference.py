"""The plain decoder: reads one packet field by field, as the layout says, in a page of code.

It is what the compiled walk is tested against, and it reads packets one at a time where speed does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from broker_assets.telemetry.idb.layouts import HEADER_BITS, Field, Group, Layout


class ReadError(ValueError):
    """A packet does not hold what its layout says; the message names the field."""


@dataclass(frozen=True)
class Repeat:
    """A counter met in the stream."""

    group: int
    count: int


@dataclass
class Reading:
    """Fields of one packet."""

    values: list[tuple[Field, int]] = field(default_factory=list)
    """In the order they were read."""
    repeats: list[Repeat] = field(default_factory=list)
    bits: int = HEADER_BITS
    """Bit after the last field."""


def read(layout: Layout, data: bytes) -> Reading:
    """Read every field of a packet.

    Parameters
    ----------
    layout : Layout
    data : bytes
        The whole packet, headers included.

    Raises
    ------
    ReadError
        If a field lies outside the packet.

    Examples
    --------
    >>> from broker_assets.telemetry.idb.layouts import Parameter, variable_layout
    >>> byte = Parameter("NIX00103", "Number", 8, False, "N", None, None)
    >>> layout = variable_layout([(byte, 1, 0), (byte, 0, 0)])
    >>> [value for _, value in read(layout, bytes(16) + bytes([2, 7, 9])).values]
    [2, 7, 9]
    """
    reading = Reading()
    number = int.from_bytes(data, "big")
    size = len(data) * 8

    def bits(position: int, wanted: Field) -> int:
        width = wanted.parameter.width
        if position + width > size:
            raise ReadError(f"it ends before {wanted.parameter.name}")
        if position < 0:
            raise ReadError(f"{wanted.parameter.name} lies before its first byte")
        value = number >> (size - position - width) & ((1 << width) - 1)
        if wanted.parameter.signed and value >> (width - 1):
            value -= 1 << width
        return value

    def read_group(group: Group, position: int) -> int:
        for wanted in group.fields:
            position = wanted.position if wanted.position is not None else position + wanted.offset
            value = bits(position, wanted)
            reading.values.append((wanted, value))
            position += wanted.parameter.width
            reading.bits = max(reading.bits, position) if layout.fixed else position
            if wanted.repeats is not None:
                reading.repeats.append(Repeat(wanted.repeats.index, value))
                for _ in range(value):
                    position = read_group(wanted.repeats, position)
        return position

    read_group(layout.root, HEADER_BITS)
    return reading

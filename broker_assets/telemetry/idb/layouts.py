"""The layout of a packet kind: the rows of the database as a tree of fields and repeat groups.

This is the one description that the compiled plan (`plan`) and the plain decoder (`reference`) both start from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER_BITS = 128
"""Primary and secondary header of a telemetry packet: 16 bytes."""


class UnsupportedLayout(ValueError):
    """The database asks for something the decoder cannot do; the message names the structure and the row."""


@dataclass(frozen=True)
class Parameter:
    """A parameter as the table PCF defines it."""

    name: str
    description: str
    width: int
    """Bits."""
    signed: bool
    """Two's complement (type letter I); every other type is an unsigned integer."""
    category: str
    """`N` numeric, `S` status text."""
    calibration: str | None
    """Name of a curve, polynomial or text table; None for a plain number."""
    unit: str | None
    """Unit of the engineering value, as the database writes it."""


@dataclass(frozen=True)
class Field:
    """One row of a layout: read the parameter `offset` bits after the previous row, or at `position` if given."""

    index: int
    """Number of the row in stream order."""
    parameter: Parameter
    group: int
    """Group whose records hold the field; 0 is the packet itself."""
    offset: int = 0
    """Bits to move before reading, may be negative (overlapping words)."""
    position: int | None = None
    """Absolute bit from the first byte of the packet (fixed layouts)."""
    repeats: Group | None = None
    """The group this field counts, if it is a counter."""


@dataclass(frozen=True)
class Group:
    """Fields that follow one another in one record; the record repeats as often as the counter says."""

    index: int
    parent: int
    """Group that holds the counter; -1 for the packet itself."""
    depth: int
    fields: tuple[Field, ...]

    @property
    def is_leaf(self) -> bool:
        """Whether no field of the group repeats another group."""
        return all(field.repeats is None for field in self.fields)


@dataclass(frozen=True)
class Layout:
    """All fields of a packet kind."""

    root: Group
    fixed: bool
    """Fields have absolute positions and the packet has no groups."""

    def fields(self) -> list[Field]:
        """Every field in stream order."""
        return list(_walk(self.root))

    def groups(self) -> list[Group]:
        """Every group, ordered by index; the packet itself first."""
        counted = [field.repeats for field in self.fields() if field.repeats is not None]
        return sorted([self.root, *counted], key=lambda group: group.index)


def _walk(group: Group) -> Iterator[Field]:
    for field in group.fields:
        yield field
        if field.repeats is not None:
            yield from _walk(field.repeats)


def variable_layout(rows: Sequence[tuple[Parameter, int, int]]) -> Layout:
    """Build the tree of a variable layout.

    Parameters
    ----------
    rows : sequence of (parameter, group size, offset)
        In the order of VPD_POS. A group size n > 0 makes the row a counter of the next n rows, rows of nested groups
        included; `offset` is in bits.

    Raises
    ------
    UnsupportedLayout
        If a group reaches beyond the rows or beyond the group around it.

    Examples
    --------
    >>> byte = Parameter("NIX00103", "Number", 8, False, "N", None, None)
    >>> layout = variable_layout([(byte, 1, 0), (byte, 0, 0)])
    >>> [(field.group, field.repeats is not None) for field in layout.fields()]
    [(0, True), (1, False)]
    """
    groups = 0

    def build(first: int, last: int, index: int, parent: int, depth: int) -> Group:
        nonlocal groups
        fields: list[Field] = []
        row = first
        while row < last:
            parameter, size, offset = rows[row]
            repeats = None
            if size > 0:
                if row + 1 + size > last:
                    raise UnsupportedLayout(
                        f"group of {parameter.name} has {size} rows and only {last - row - 1} follow"
                    )
                groups += 1
                repeats = build(row + 1, row + 1 + size, groups, index, depth + 1)
            fields.append(Field(row, parameter, index, offset=offset, repeats=repeats))
            row += 1 + max(size, 0)
        return Group(index, parent, depth, tuple(fields))

    return Layout(build(0, len(rows), 0, -1, 0), fixed=False)


def fixed_layout(rows: Sequence[tuple[Parameter, int]]) -> Layout:
    """Build a fixed layout from (parameter, absolute bit position) in the order wanted for the columns."""
    fields = tuple(Field(index, parameter, 0, position=bit) for index, (parameter, bit) in enumerate(rows))
    return Layout(Group(0, -1, 0, fields), fixed=True)

"""One decoded packet as plain Python values: the stream, the merged values and the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from broker_assets.telemetry.decoding.results import DecodedColumn, DecodedStructure
from broker_assets.telemetry.idb.layouts import Group
from broker_assets.telemetry.packets.headers import PrimaryHeader, TelemetryHeader

Nested = int | list[int] | list[list[int]]


@dataclass(frozen=True)
class ParameterValue:
    """A parameter of one packet; lists where it is in a repeat group."""

    name: str
    description: str
    kind: str
    """`raw`, `compressed` or `engineering`."""
    raw: Any
    value: Any = None
    """Decompressed or engineering value; None for a plain number."""
    unit: str | None = None
    """Unit of the database."""
    unit_out: str | None = None
    """Unit of `value`."""
    variance: Any = None
    scheme: tuple[int, int, int] | None = None
    scheme_parameters: tuple[str, str, str] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class DecodedPacket:
    """A packet of a `DecodedStructure`.

    Values of parameters in repeat groups are flat lists in stream order; for a group without nested groups whose
    counter is in the packet itself, they are a list of one such list (shape (1, n), as in the products).
    """

    structure: DecodedStructure
    row: int

    @property
    def primary(self) -> PrimaryHeader:
        """Primary header."""
        return self.structure.headers.primary(self.row)

    @property
    def secondary(self) -> TelemetryHeader:
        """Secondary header."""
        return self.structure.headers.secondary(self.row)

    @property
    def data(self) -> bytes:
        """Bytes of the packet."""
        return self.structure.batch.packet(int(self.structure.packets[self.row]))

    @property
    def request_id(self) -> tuple[int, int] | None:
        """Telecommand sequence control and request id of an answer to a request."""
        if self.structure.request is None:
            return None
        sequence, request = self.structure.request[self.row].tolist()
        return sequence, request

    @property
    def bits_consumed(self) -> int:
        """Bit at which reading ended."""
        return int(self.structure.bits[self.row])

    @cached_property
    def stream(self) -> list[tuple[int, str, int]]:
        """(depth, parameter, raw value) in the order of reading."""
        walked = self.structure.walked
        groups = walked.offsets[self.row : self.row + 2].T.tolist()
        values: dict[int, Iterator[int]] = {}
        for column in self.structure.plan.columns:
            start, end = groups[column.field.group]
            values[column.field.index] = iter(walked.columns[column.field.index][start:end].tolist())
        found: list[tuple[int, str, int]] = []

        def read(group: Group) -> None:
            for field in group.fields:
                value = next(values[field.index])
                found.append((group.depth, field.parameter.name, value))
                if field.repeats is not None:
                    for _ in range(value):
                        read(field.repeats)

        read(self.structure.plan.layout.root)
        return found

    @cached_property
    def columns(self) -> dict[str, DecodedColumn]:
        """Columns that have a value in this packet: the packet's own in stream order, then those of groups."""
        root = [column for column in self.structure.columns.values() if column.depth == 0]
        return {
            column.name: column
            for column in [*root, *self._grouped(self.structure.plan.layout.root)]
            if column.depth == 0 or column.offsets[self.row] < column.offsets[self.row + 1]
        }

    def _grouped(self, group: Group) -> Iterator[DecodedColumn]:
        """Columns of the groups below a group, the children of a counter before the counter."""
        names = {
            column.field.index: name
            for name, column in zip(self.structure.columns, self.structure.plan.columns, strict=True)
        }
        for field in group.fields:
            if field.repeats is not None:
                yield from self._grouped(field.repeats)
            if group.depth > 0:
                yield self.structure.columns[names[field.index]]

    def _shaped(self, column: DecodedColumn, values: Any) -> Any:
        listed = values[column.of(self.row)].tolist()
        if column.depth == 0:
            return listed[0]
        group = self.structure.plan.groups[column.group]
        return [listed] if group.parent == 0 and group.is_leaf else listed

    @cached_property
    def merged_raw(self) -> dict[str, Nested]:
        """Raw values by parameter, with repetitions merged."""
        return {name: self._shaped(column, column.raw) for name, column in self.columns.items()}

    @cached_property
    def parameters(self) -> dict[str, ParameterValue]:
        """Everything known about each parameter of the packet."""
        found: dict[str, ParameterValue] = {}
        for name, column in self.columns.items():
            scheme = None if column.scheme is None else tuple(column.scheme[self.row].tolist())
            found[name] = ParameterValue(
                name=name,
                description=column.description,
                kind=column.kind,
                raw=self._shaped(column, column.raw),
                value=None if column.value is None else self._shaped(column, column.value),
                unit=column.unit,
                unit_out=column.unit_out,
                variance=None if column.variance is None else self._shaped(column, column.variance),
                scheme=scheme,
                scheme_parameters=column.scheme_parameters,
                problem=column.problem,
            )
        return found

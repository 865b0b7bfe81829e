"""A layout compiled into flat arrays of operations for the walk, and what is done with each column afterwards.

Consecutive fields between two counters form a run: their positions relative to the start of the run are constants, so
overlapping words and negative offsets cost nothing at run time. A group without counters inside is one operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.idb.calibration import CalibrationError, Calibrator
from broker_assets.telemetry.idb.database import InstrumentDatabase, Structure, version_tuple
from broker_assets.telemetry.idb.instrument_rules import Scheme
from broker_assets.telemetry.idb.layouts import HEADER_BITS, Field, Group, Layout, UnsupportedLayout

SEGMENT, REPEAT, LEAF, PAIRS, END, STOP = range(6)
"""Operations: read a run of fields; repeat the operations up to END; repeat one run of fields; repeat one run and one
inner group that is a run (the operations up to END, known to be these two); close a repeat; end."""
MAX_DEPTH = 16
WORD_BITS = 64
"""Widest field the walk reads; wider octet strings are read in pieces."""
COUNTER_BITS = 32


@dataclass(frozen=True)
class Column:
    """What the plan does with one field of the layout."""

    field: Field
    pieces: tuple[int, ...]
    """Rows of `Plan.fields`, most significant first; more than one only for fields wider than 64 bits."""
    kind: str
    """`raw`, `compressed` or `engineering`."""
    scheme: Scheme | None = None
    calibrator: Calibrator | None = None
    """None where the engineering value is the raw value."""
    problem: str | None = None
    """Why the column has no engineering value although the database names a calibration."""


@dataclass(frozen=True)
class Plan:
    """A packet kind, ready to be read."""

    structure: Structure
    layout: Layout
    groups: tuple[Group, ...]
    columns: tuple[Column, ...]
    operations: NDArray[np.int64]
    fields: NDArray[np.int64]
    field_groups: NDArray[np.int64]
    """Group of each row of `fields`."""
    field_kinds: NDArray[np.int64]
    """Type of each row's column: 1, 2, 4 or 8 bytes as a power of two."""
    advances: NDArray[np.int64]
    """Fewest bits a record of each group moves on; bounds the number of records."""


def plan_of(database: InstrumentDatabase, structure: Structure, valid_version: str) -> Plan:
    """The plan of a packet kind, compiled once per database.

    Parameters
    ----------
    database : InstrumentDatabase
    structure : Structure
        Of this database.
    valid_version : str
        Database version valid at the time of the packets: the behaviour of the flight software depends on it.

    Raises
    ------
    UnsupportedLayout
        If the layout cannot be compiled; the message says why.
    """
    key = (structure.spid, valid_version)
    if key not in database.plans:
        try:
            database.plans[key] = compile_plan(database, structure, valid_version)
        except UnsupportedLayout as unsupported:
            database.plans[key] = unsupported
    found = database.plans[key]
    if isinstance(found, UnsupportedLayout):
        raise found
    assert isinstance(found, Plan)  # noqa: S101 - nothing else is stored
    return found


def compile_plan(database: InstrumentDatabase, structure: Structure, valid_version: str) -> Plan:
    """Compile one packet kind; see `plan_of`."""
    layout = database.layout(structure)
    program = _Program()
    program.packet(layout)
    groups = layout.groups()
    schemes = database.instrument.schemes_of(structure.key, version_tuple(valid_version))
    columns = tuple(
        _column(database, field, tuple(program.pieces[field.index]), schemes, layout) for field in layout.fields()
    )
    fields = np.array(program.fields, dtype=np.int64).reshape(-1, 4)
    advances = np.array([program.advances[group.index] for group in groups], dtype=np.int64)
    return Plan(
        structure=structure,
        layout=layout,
        groups=tuple(groups),
        columns=columns,
        operations=np.array(program.operations, dtype=np.int64),
        fields=fields,
        field_groups=np.array(program.field_groups, dtype=np.int64),
        field_kinds=np.ascontiguousarray(fields[:, 3]),
        advances=advances,
    )


def _column(
    database: InstrumentDatabase, field: Field, pieces: tuple[int, ...], schemes: dict[str, Scheme], layout: Layout
) -> Column:
    parameter = field.parameter
    if parameter.name in schemes:
        scheme = schemes[parameter.name]
        present = {other.parameter.name for other in layout.root.fields}
        missing = [name for name in scheme.parameters if name not in present]
        if missing:
            raise UnsupportedLayout(f"scheme of {parameter.name} is in {', '.join(missing)}, which the packet lacks")
        return Column(field, pieces, "compressed", scheme=scheme)
    if parameter.calibration is None:
        return Column(field, pieces, "raw")
    if parameter.name in database.instrument.kept_raw:
        return Column(field, pieces, "engineering")
    try:
        calibration = database.calibration(parameter.calibration, parameter.category)
    except CalibrationError as error:
        return Column(field, pieces, "raw", problem=str(error))
    calibrator = Calibrator(calibration, parameter.unit, parameter.width, parameter.signed)
    return Column(field, pieces, "engineering", calibrator=calibrator)


class _Program:
    """Operations under construction."""

    def __init__(self) -> None:
        self.operations: list[list[int]] = []
        self.fields: list[list[int]] = []
        self.field_groups: list[int] = []
        self.pieces: dict[int, list[int]] = {}
        self.advances: dict[int, int] = {}

    def packet(self, layout: Layout) -> None:
        if layout.fixed:
            first = len(self.fields)
            reach = HEADER_BITS
            for field in layout.root.fields:
                assert field.position is not None  # noqa: S101 - fixed layouts have positions
                self._add(field, field.position)
                reach = max(reach, field.position + field.parameter.width)
            self.advances[0] = reach
            lowest = min((row[0] for row in self.fields[first:]), default=0)
            self.operations.append([SEGMENT, 0, lowest, first, len(self.fields), reach, reach])
        else:
            self._group(layout.root, HEADER_BITS)
        self.operations.append([STOP, 0, 0, 0, 0, 0, 0])

    def _group(self, group: Group, start: int = 0) -> None:
        """Runs and repeats of one record of a group, whose first field begins `start` bits on."""
        if group.depth >= MAX_DEPTH:
            raise UnsupportedLayout(f"groups nest deeper than {MAX_DEPTH}")
        self.advances[group.index] = 0
        if not group.fields:
            self._run(group, (), start)
        run: list[Field] = []
        for field in group.fields:
            run.append(field)
            if field.repeats is not None:
                self._run(group, run, start)
                start, run = 0, []
                self._repeat(field, field.repeats)
        if run:
            self._run(group, run, start)

    def _run(self, group: Group, run: Sequence[Field], start: int) -> None:
        first = len(self.fields)
        position, reach = start, start
        for field in run:
            position += field.offset
            self._add(field, position)
            position += field.parameter.width
            reach = max(reach, position)
        if position < 0:
            raise UnsupportedLayout(f"the fields up to {run[-1].parameter.name} move backwards")
        self.advances[group.index] += position
        lowest = min((row[0] for row in self.fields[first:]), default=0)
        self.operations.append([SEGMENT, group.index, lowest, first, len(self.fields), position, reach])

    def _repeat(self, counter: Field, group: Group) -> None:
        if counter.parameter.signed or counter.parameter.width > COUNTER_BITS:
            raise UnsupportedLayout(f"{counter.parameter.name} cannot be a counter: signed or over {COUNTER_BITS} bits")
        begin = len(self.operations)
        if group.is_leaf:
            self._group(group)
            self.operations[begin][0] = LEAF
        else:
            self.operations.append([REPEAT, group.index, 0, len(self.fields), 0, 0, 0])
            self._group(group)
            self.operations.append([END, group.index, 0, 0, 0, 0, 0])
            self.operations[begin][2] = len(self.operations)
            if [operation[0] for operation in self.operations[begin + 1 :]] == [SEGMENT, LEAF, END]:
                self.operations[begin][0] = PAIRS
        if self.advances[group.index] < 1:
            raise UnsupportedLayout(f"the group of {counter.parameter.name} has no length")

    def _add(self, field: Field, position: int) -> None:
        width = field.parameter.width
        pieces: list[int] = []
        while width > 0:
            part = width % WORD_BITS or WORD_BITS
            kind = next(number for number, bits in enumerate((8, 16, 32, 64)) if part <= bits)
            pieces.append(len(self.fields))
            self.fields.append([position, part, int(field.parameter.signed), kind])
            self.field_groups.append(field.group)
            position += part
            width -= part
        self.pieces[field.index] = pieces

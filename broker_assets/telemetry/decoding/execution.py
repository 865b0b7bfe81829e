"""Runs plans over batches of packets: the compiled walk, or the plain decoder, with one form of result."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import reference
from broker_assets.telemetry.decoding.plan import Column, Plan

TYPES = ("<u1", "<u2", "<u4", "<u8")
"""Types of columns by their kind."""
WIDEST = 8
"""Bytes of the widest of them."""


def compiled_loaded() -> bool:
    """Whether this process has loaded the compiled code; a command for one packet need not wait for it."""
    return "broker_assets.telemetry.decoding.walk" in sys.modules


@dataclass(frozen=True)
class Walked:
    """Columns of raw values of the packets that could be read."""

    columns: dict[int, NDArray[Any]]
    """By number of the field in the layout: values of all packets in stream order, smallest integer type that fits."""
    offsets: NDArray[np.int64]
    """(n + 1, groups) records of each group before packet i, for the packets that could be read."""
    bits: NDArray[np.int64]
    """(n,) bit at which reading ended."""
    read: NDArray[np.int64]
    """(n,) which of the packets given could be read."""
    failures: list[tuple[int, str]]
    """(place among the packets given, reason)."""


def read_compiled(plan: Plan, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Walked:
    """Read packets of one kind with the compiled walk.

    Parameters
    ----------
    plan : Plan
        Of the packets' kind.
    data : (bytes,) uint8 array
        Holds all packets and `batches.PADDING` bytes after the last.
    starts, lengths : (n,) int64 arrays
        Where the packets are.
    """
    # Imported here: a command that decodes nothing must not wait for the compiler.
    from broker_assets.telemetry.decoding.walk import BEFORE_START, BEYOND_END, OK, walk

    count, groups = len(starts), len(plan.groups)
    bits = lengths << 3
    capacities = np.array(
        [
            count if group.index == 0 else int((bits // advance + 1).sum())
            for group, advance in zip(plan.groups, plan.advances, strict=True)
        ],
        dtype=np.int64,
    )
    # Every column begins at a multiple of eight bytes, so that it can be viewed as numbers of its type.
    sizes = -(-(capacities[plan.field_groups] << plan.field_kinds) // WIDEST) * WIDEST
    ends = np.cumsum(sizes)
    bases = ends - sizes
    out = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    offsets = np.zeros((count + 1, groups), dtype=np.int64)
    outcomes = np.zeros((count, 3), dtype=np.int64)
    walk(data, starts, lengths, plan.operations, plan.fields, bases, capacities, out, offsets, outcomes)
    good = np.flatnonzero(outcomes[:, 0] == OK)
    reasons = {BEYOND_END: "it ends before {}", BEFORE_START: "{} lies before its first byte"}
    failures = [
        (
            int(row),
            reasons.get(int(outcomes[row, 0]), "{} has more values than the packet has room for").format(
                _field_name(plan, int(outcomes[row, 2]))
            ),
        )
        for row in np.flatnonzero(outcomes[:, 0] != OK)
    ]
    totals = offsets[-1]
    columns: dict[int, NDArray[Any]] = {}
    for column in plan.columns:
        total = int(totals[column.field.group])
        pieces = []
        for piece in column.pieces:
            dtype = np.dtype(TYPES[plan.field_kinds[piece]])
            pieces.append(out[bases[piece] : bases[piece] + total * dtype.itemsize].view(dtype))
        columns[column.field.index] = _joined(column, pieces)
    return Walked(columns, offsets[np.append(good, count)], outcomes[good, 1], good, failures)


def read_plain(plan: Plan, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Walked:
    """Read packets of one kind with the plain decoder; parameters and result as in `read_compiled`."""
    values: dict[int, list[int]] = {column.field.index: [] for column in plan.columns}
    records = np.zeros(len(plan.groups), dtype=np.int64)
    offsets, ends, read, failures = [records.copy()], [], [], []
    for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        try:
            reading = reference.read(plan.layout, data[start : start + length].tobytes())
        except reference.ReadError as error:
            failures.append((row, str(error)))
            continue
        records[0] += 1
        for counted in reading.repeats:
            records[counted.group] += counted.count
        for field, value in reading.values:
            values[field.index].append(value)
        offsets.append(records.copy())
        ends.append(reading.bits)
        read.append(row)
    columns: dict[int, NDArray[Any]] = {}
    for column in plan.columns:
        width, signed = column.field.parameter.width, column.field.parameter.signed
        bits = next((bits for bits in (8, 16, 32, 64) if width <= bits), 0)
        dtype = np.dtype(f"{'int' if signed else 'uint'}{bits}") if bits else np.dtype(object)
        columns[column.field.index] = np.array(values[column.field.index], dtype=dtype)
    return Walked(
        columns,
        np.array(offsets, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        np.array(read, dtype=np.int64),
        failures,
    )


def _field_name(plan: Plan, piece: int) -> str:
    return next((c.field.parameter.name for c in plan.columns if piece in c.pieces), "a group")


def _joined(column: Column, pieces: list[NDArray[Any]]) -> NDArray[Any]:
    if len(pieces) == 1:
        values = pieces[0]
        return values.view(values.dtype.str.replace("u", "i")) if column.field.parameter.signed else values
    joined = pieces[0].astype(object)
    for piece in pieces[1:]:
        joined = (joined << 64) | piece.astype(object)
    return joined

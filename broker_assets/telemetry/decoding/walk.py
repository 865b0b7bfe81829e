"""The compiled loop: runs a plan over the bytes of many packets into column buffers.

One pass, no allocation inside: the caller gives buffers that are large enough for any packet content (`plan`), a
group's cursor counts its records over the whole batch, and a packet that fails is rolled back to where it began. The
buffer of bytes ends in padding, so that a field may be read with whole bytes behind it.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types

from broker_assets.telemetry.decoding.plan import END, LEAF, MAX_DEPTH, PAIRS, REPEAT, SEGMENT

OK, BEYOND_END, OVERFLOW, BEFORE_START = range(4)
"""Outcome of a packet."""

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_SIGNATURE = types.void(
    _BYTES,  # data
    types.int64[::1],  # starts
    types.int64[::1],  # lengths
    types.int64[:, ::1],  # operations
    types.int64[:, ::1],  # fields
    types.int64[::1],  # bases
    types.int64[::1],  # capacities
    types.uint8[::1],  # out
    types.int64[:, ::1],  # offsets
    types.int64[:, ::1],  # outcomes
)


@numba.njit(types.uint64(_BYTES, types.int64, types.int64), nogil=True, cache=True)
def _read_wide(data, bit, width):  # type: ignore[no-untyped-def]
    """`width` (1 to 64) bits from absolute bit position `bit`, unsigned."""
    byte = bit >> 3
    shift = bit & 7
    value = np.uint64(data[byte]) << np.uint64(56 + shift)
    filled = 8 - shift
    while filled < width:
        byte += 1
        left = 56 - filled
        if left >= 0:
            value |= np.uint64(data[byte]) << np.uint64(left)
        else:
            value |= np.uint64(data[byte]) >> np.uint64(-left)
        filled += 8
    return value >> np.uint64(64 - width)


@numba.njit(types.int64(_BYTES, types.int64, types.int64), nogil=True, cache=True)
def _read(data, bit, width):  # type: ignore[no-untyped-def]
    """The same, as the signed number with the same 64 bits; the usual widths without a loop."""
    byte = bit >> 3
    end = (bit & 7) + width
    if end <= 8:
        return (np.int64(data[byte]) >> (8 - end)) & ((1 << width) - 1)
    if end <= 16:
        return ((np.int64(data[byte]) << 8 | np.int64(data[byte + 1])) >> (16 - end)) & ((1 << width) - 1)
    if end <= 32:
        value = np.int64(data[byte]) << 24 | np.int64(data[byte + 1]) << 16 | np.int64(data[byte + 2]) << 8
        return ((value | np.int64(data[byte + 3])) >> (32 - end)) & ((1 << width) - 1)
    return np.int64(_read_wide(data, bit, width))


@numba.njit(types.void(types.int64, types.int64, types.int64, types.uint8[::1]), nogil=True, cache=True)
def _store(value, kind, place, out):  # type: ignore[no-untyped-def]
    """The low 1, 2, 4 or 8 bytes of a value, least significant first; the compiler makes one store of them."""
    out[place] = np.uint8(value & 0xFF)
    if kind > 0:
        out[place + 1] = np.uint8((value >> 8) & 0xFF)
    if kind > 1:
        out[place + 2] = np.uint8((value >> 16) & 0xFF)
        out[place + 3] = np.uint8((value >> 24) & 0xFF)
    if kind > 2:
        for i in range(4, 8):
            out[place + i] = np.uint8((value >> (8 * i)) & 0xFF)


@numba.njit(nogil=True, cache=True)
def _read_run(data, position, fields, first, last, bases, record, out):  # type: ignore[no-untyped-def]
    """One record of a run of fields; gives its last value."""
    value = np.int64(0)
    for f in range(first, last):
        width, kind = fields[f, 1], fields[f, 3]
        value = _read(data, position + fields[f, 0], width)
        if fields[f, 2] == 1 and width < 64 and (value >> (width - 1)) & 1:
            value |= np.int64(-1) << width
        _store(value, kind, bases[f] + (record << kind), out)
    return value


@numba.njit(nogil=True, cache=True)
def _read_strided(data, bit, width, advance, count, kind, place, out):  # type: ignore[no-untyped-def]
    """One unsigned field of records of whole bytes into a column of 8 or 16 bits, if it spans one or two bytes."""
    byte = bit >> 3
    stride = advance >> 3
    end = (bit & 7) + width
    mask = (1 << width) - 1
    if end <= 8:
        down = 8 - end
        if width == 8:
            for i in range(count):
                out[place + i] = data[byte + i * stride]
        else:
            for i in range(count):
                out[place + i] = np.uint8((np.int64(data[byte + i * stride]) >> down) & mask)
        return True
    if end <= 16:
        down = 16 - end
        for i in range(count):
            first = byte + i * stride
            value = ((np.int64(data[first]) << 8 | np.int64(data[first + 1])) >> down) & mask
            out[place + (i << kind)] = np.uint8(value & 0xFF)
            if kind > 0:
                out[place + 2 * i + 1] = np.uint8(value >> 8)
        return True
    return False


@numba.njit(
    types.void(
        types.uint8[::1],
        types.int64[::1],
        types.int64[::1],
        types.uint64[:, ::1],
        types.float64[:, ::1],
        types.uint64[::1],
        types.float64[::1],
    ),
    nogil=True,
    cache=True,
)
def expand(stored, offsets, which, values, variances, out_values, out_variances):  # type: ignore[no-untyped-def]
    """Decompress a column by table.

    Parameters
    ----------
    stored : (m,) uint8 array
    offsets : (n + 1,) int64 array
        Values of each packet.
    which : (n,) int64 array
        Table of each packet.
    values, variances : (t, 256) uint64 and float64 arrays
        Tables; 64-bit patterns of the values.
    out_values, out_variances : (m,) uint64 and float64 arrays
    """
    for packet in range(which.shape[0]):
        table = which[packet]
        for i in range(offsets[packet], offsets[packet + 1]):
            out_values[i] = values[table, stored[i]]
            out_variances[i] = variances[table, stored[i]]


@numba.njit(nogil=True, cache=True)
def _read_records(data, position, advance, count, fields, f, bases, record, out):  # type: ignore[no-untyped-def]
    """Field `f` of `count` records that follow one another, into its column from `record` on."""
    bit, width, signed, kind = position + fields[f, 0], fields[f, 1], fields[f, 2], fields[f, 3]
    place = bases[f] + (record << kind)
    # The bits of a signed number of 8 or 16 bits are those of an unsigned one.
    aligned = advance & 7 == 0 and (signed == 0 or width == 8 or width == 16)
    if aligned and _read_strided(data, bit, width, advance, count, kind, place, out):
        return
    for i in range(count):
        value = _read(data, bit, width)
        if signed == 1 and width < 64 and (value >> (width - 1)) & 1:
            value |= np.int64(-1) << width
        _store(value, kind, place + (i << kind), out)
        bit += advance


@numba.njit(nogil=True, cache=True)
def _first_outside(fields, first, last, position, first_bit, end_bit):  # type: ignore[no-untyped-def]
    """Outcome and number of the first field of a run that lies outside the packet."""
    for f in range(first, last):
        bit = position + fields[f, 0]
        if bit + fields[f, 1] > end_bit:
            return BEYOND_END, f
        if bit < first_bit:
            return BEFORE_START, f
    return OK, -1


@numba.njit(nogil=True, cache=True)
def _first_outside_of_records(  # type: ignore[no-untyped-def]
    fields, first, last, position, advance, reach, count, first_bit, end_bit
):
    """Outcome and number of the first field of some records that lies outside the packet."""
    record = max(0, (end_bit - position - reach) // advance)
    while record < count:
        outcome, failed = _first_outside(fields, first, last, position + record * advance, first_bit, end_bit)
        if outcome != OK:
            return outcome, failed
        record += 1
    return OK, -1


@numba.njit(_SIGNATURE, nogil=True, cache=True)
def walk(  # type: ignore[no-untyped-def]
    data,
    starts,
    lengths,
    operations,
    fields,
    bases,
    capacities,
    out,
    offsets,
    outcomes,
):
    """Read every packet.

    Parameters
    ----------
    data : (bytes + 8,) uint8 array
        All packets and at least eight bytes after the last.
    starts, lengths : (n,) int64 arrays
        First byte and number of bytes of each packet.
    operations : (m, 7) int64 array
        kind, group, first bit of the run relative to its start (or end operation of a repeat), first field, last
        field + 1, advance in bits, reach in bits.
    fields : (f, 4) int64 array
        Bit offset from the start of the run, width, signed, bytes of the column's type as a power of two (0 to 3).
    bases : (f,) int64 array
        First byte of a field's column in `out`.
    capacities : (g,) int64 array
        Records that fit each group's columns.
    out : (bytes,) uint8 array
        All columns, little-endian.
    offsets : (n + 1, g) int64 array
        Row i: records of each group before packet i; row 0 is given.
    outcomes : (n, 3) int64 array
        Outcome, bit position where reading ended, field at which it failed.
    """
    groups = capacities.shape[0]
    cursor = np.zeros(groups, dtype=np.int64)
    body = np.zeros(MAX_DEPTH, dtype=np.int64)
    remaining = np.zeros(MAX_DEPTH, dtype=np.int64)
    for packet in range(starts.shape[0]):
        for g in range(groups):
            cursor[g] = offsets[packet, g]
        first_bit = starts[packet] << 3
        end_bit = first_bit + (lengths[packet] << 3)
        position = first_bit
        record = cursor[0]
        level = 0
        count = np.int64(0)
        outcome = OK
        failed = -1
        if record >= capacities[0]:
            outcome = OVERFLOW
        cursor[0] += 1
        step = 0
        while outcome == OK:
            kind = operations[step, 0]
            if kind == SEGMENT:
                first, last = operations[step, 3], operations[step, 4]
                if position + operations[step, 6] > end_bit or position + operations[step, 2] < first_bit:
                    outcome, failed = _first_outside(fields, first, last, position, first_bit, end_bit)
                    break
                record = cursor[operations[step, 1]] - 1
                value = _read_run(data, position, fields, first, last, bases, record, out)
                position += operations[step, 5]
                count = value
                step += 1
            elif kind == LEAF:
                group = operations[step, 1]
                first, last = operations[step, 3], operations[step, 4]
                advance = operations[step, 5]
                if count > 0:
                    # A counter has at most 32 bits, so the product cannot overflow.
                    reach = operations[step, 6]
                    if position + (count - 1) * advance + reach > end_bit or position + operations[step, 2] < first_bit:
                        outcome, failed = _first_outside_of_records(
                            fields, first, last, position, advance, reach, count, first_bit, end_bit
                        )
                        break
                    record = cursor[group]
                    if record + count > capacities[group]:
                        outcome = OVERFLOW
                        failed = first
                        break
                    for f in range(first, last):
                        _read_records(data, position, advance, count, fields, f, bases, record, out)
                    cursor[group] += count
                    position += count * advance
                step += 1
            elif kind == PAIRS:
                # Records of one run and one inner group, by far the most frequent nesting, without interpretation.
                run, inner = step + 1, step + 2
                group, inner_group = operations[run, 1], operations[inner, 1]
                first, last, advance = operations[run, 3], operations[run, 4], operations[run, 5]
                low, reach = operations[run, 2], operations[run, 6]
                inner_first, inner_last, inner_advance = (
                    operations[inner, 3],
                    operations[inner, 4],
                    operations[inner, 5],
                )
                inner_low, inner_reach = operations[inner, 2], operations[inner, 6]
                record, inner_record = cursor[group], cursor[inner_group]
                byte_base = bases[inner_first]
                bytes_only = inner_last == inner_first + 1 and fields[inner_first, 1] == 8 and inner_advance == 8
                while count > 0:
                    if position + reach > end_bit or position + low < first_bit:
                        outcome, failed = _first_outside(fields, first, last, position, first_bit, end_bit)
                        break
                    if record >= capacities[group]:
                        outcome = OVERFLOW
                        break
                    value = _read_run(data, position, fields, first, last, bases, record, out)
                    position += advance
                    record += 1
                    count -= 1
                    if value <= 0:
                        continue
                    if (
                        position + (value - 1) * inner_advance + inner_reach > end_bit
                        or position + inner_low < first_bit
                    ):
                        outcome, failed = _first_outside_of_records(
                            fields,
                            inner_first,
                            inner_last,
                            position,
                            inner_advance,
                            inner_reach,
                            value,
                            first_bit,
                            end_bit,
                        )
                        break
                    if inner_record + value > capacities[inner_group]:
                        outcome = OVERFLOW
                        failed = inner_first
                        break
                    bit = position + fields[inner_first, 0]
                    if bytes_only and bit & 7 == 0:
                        byte = bit >> 3
                        for i in range(value):
                            out[byte_base + inner_record + i] = data[byte + i]
                    else:
                        for f in range(inner_first, inner_last):
                            _read_records(data, position, inner_advance, value, fields, f, bases, inner_record, out)
                    inner_record += value
                    position += value * inner_advance
                cursor[group] = record
                cursor[inner_group] = inner_record
                step += 4
            elif kind == REPEAT:
                if count > 0:
                    group = operations[step, 1]
                    if cursor[group] >= capacities[group]:
                        outcome = OVERFLOW
                        break
                    cursor[group] += 1
                    level += 1
                    body[level] = step + 1
                    remaining[level] = count
                    step += 1
                else:
                    step = operations[step, 2]
            elif kind == END:
                remaining[level] -= 1
                if remaining[level] > 0:
                    group = operations[step, 1]
                    if cursor[group] >= capacities[group]:
                        outcome = OVERFLOW
                        break
                    cursor[group] += 1
                    step = body[level]
                else:
                    level -= 1
                    step += 1
            else:
                break
        outcomes[packet, 0] = outcome
        outcomes[packet, 1] = position - first_bit
        outcomes[packet, 2] = failed
        for g in range(groups):
            offsets[packet + 1, g] = cursor[g] if outcome == OK else offsets[packet, g]

"""Cached layouts of records.

The positions of the fields of a record depend on few of its bytes: the branch bytes of unions, the continuation bits
of varints and the lengths of strings. A layout is a mask of these bytes, their values in a record read before, and
the offsets that follow from them. A record with the same bytes under the mask has its fields at the same offsets:
comparing words is exact and much faster than going from field to field. A slot of memory contains the mask, the masked
bytes, and an offset and a length (-1 if null) for every wanted field.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from broker_assets.packets.opcodes import (
    BLOB,
    BLOB_COUNT,
    BLOB_LIST,
    ENTRY_SIZE,
    FIXED_COUNT,
    FIXED_LIST,
    HIGH,
    KIND,
    LAYOUT_BYTES,
    LOW,
    NULL_BRANCH,
    PLAN_HEAD,
    REQUIRED,
    SIZE,
    SLACK,
    STRIDE,
    UTF8,
    VALID_ADDRESS,
    VALUE_ADDRESS,
    VARINT,
    VARINT_COUNT,
    VARINT_LIST,
    WANTED,
)
from broker_assets.packets.raw import differs64, load1, load8, store1, store8, varint


@njit(nogil=True, cache=True)
def matches(position: int, slot: int, length: int) -> bool:
    """Whether the bytes at `position` have the layout in `slot`."""
    for offset in range(0, length, 64):
        if differs64(position + offset, slot + offset, slot + LAYOUT_BYTES + offset):
            return False
    return True


@njit(nogil=True, cache=True, inline="never")
def learn(position: int, end: int, slot: int, entries: int, first: int, count: int) -> int:
    """Store the layout of the fields at `position` in `slot`; return their length, or -1 if that is not possible."""
    if end - position > LAYOUT_BYTES:
        end = position + LAYOUT_BYTES
    for offset in range(0, LAYOUT_BYTES, 8):
        store8(slot + offset, 0)
    table = slot + 2 * LAYOUT_BYTES
    here = position
    for entry in range(entries + ENTRY_SIZE * first, entries + ENTRY_SIZE * (first + count), ENTRY_SIZE):
        # Room for a branch byte and a varint; bytes nearer to the end are read with bounds checks elsewhere.
        if here + 11 + SLACK > end:
            return -1
        present = 1
        if load8(entry + 8 * REQUIRED) == 0:
            byte = load1(here)
            if byte & 0xFD != 0:
                return -1
            store1(slot + here - position, 0xFF)
            present = (byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)
            here += 1
        value, length = 0, -1
        if present != 0:
            kind = load8(entry + 8 * KIND)
            size = load8(entry + 8 * SIZE)
            value, length = here - position, size
            if size < 0:
                following, number = varint(here, end)
                if following < 0:
                    return -1
                length = following - here
                for k in range(length):
                    store1(slot + value + k, 0x80 if kind == VARINT and k < 9 else 0xFF)
                here = following
                if kind == BLOB:
                    value, size, length = here - position, number, number
                else:
                    size = 0
            if size < 0 or size > end - SLACK - here:
                return -1
            if kind == BLOB and load8(entry + 8 * LOW) == UTF8:
                # Only ASCII is guaranteed to be valid text wherever the high bits are zero.
                for k in range(size):
                    if load1(here + k) >= 0x80:
                        return -1
                    store1(slot + value + k, 0x80)
            here += size
        wanted = load8(entry + 8 * WANTED)
        if wanted >= 0:
            store8(table + 16 * wanted, value)
            store8(table + 16 * wanted + 8, length)
    if position + (here - position + 63) // 64 * 64 > end:
        return -1
    for k in range(0, here - position, 64):
        for word in range(k, k + 64, 8):
            store8(slot + LAYOUT_BYTES + word, load8(position + word) & load8(slot + word))
    return here - position


@njit(nogil=True, cache=True, inline="never")
def write_plan(slot: int, stamp: int, plan_offset: int, entries: int, lists: int, layout: int) -> None:
    """Append the read plan to a layout: pairs of offset and tile by width, then what to set to zero."""
    table = slot + 2 * LAYOUT_BYTES
    head = slot + plan_offset
    here = head + PLAN_HEAD
    first = load8(layout + 8 * FIXED_LIST)
    last = first + load8(layout + 8 * FIXED_COUNT)
    store8(head, stamp)
    for null in range(2):
        for width in range(3):
            stride = 8 >> width if width < 2 else 1
            count = 0
            for k in range(first, last):
                entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
                length = load8(table + 16 * (k - first) + 8)
                if load8(entry + 8 * STRIDE) == stride and (length < 0) == (null == 1):
                    store8(here, load8(table + 16 * (k - first)))
                    store8(here + 8, load8(entry + 8 * VALUE_ADDRESS))
                    here += 16
                    count += 1
            store8(head + 8 + 8 * (3 * null + width), count)


@njit(nogil=True, cache=True)
def _known_varint(position: int, length: int) -> Any:
    """Read a varint of a known number of bytes, of which there are ten in the payload."""
    bits = load8(position)
    if length < 8:
        bits &= ~(-1 << (8 * length))
    bits = ((bits & 0x7F007F007F007F00) >> 1) | (bits & 0x007F007F007F007F)
    bits = ((bits & 0x3FFF00003FFF0000) >> 2) | (bits & 0x00003FFF00003FFF)
    bits = ((bits & 0x0FFFFFFF00000000) >> 4) | (bits & 0x000000000FFFFFFF)
    if length > 8:
        bits |= (load1(position + 8) & 0x7F) << 56
        if length > 9:
            bits |= load1(position + 9) << 63
    return ((bits >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(bits & 1)


@njit(nogil=True, cache=True)
def read_layout(
    position: int,
    origin: int,
    slot: int,
    plan_offset: int,
    row: int,
    fresh: bool,
    entries: int,
    lists: int,
    layout: int,
) -> bool:
    """Read the wanted fields of a record of known layout; False if a number is out of range.

    `fresh` means that the validity bytes of the row are already set, from a row of the same layout.
    """
    pair = slot + plan_offset + PLAN_HEAD
    head = slot + plan_offset
    for _ in range(load8(head + 8)):
        store8(load8(pair + 8) + row * 8, load8(position + load8(pair)))
        pair += 16
    for _ in range(load8(head + 16)):
        store8(load8(pair + 8) + row * 4, load8(position + load8(pair)))
        pair += 16
    for _ in range(load8(head + 24)):
        store8(load8(pair + 8) + row, load8(position + load8(pair)))
        pair += 16
    for _ in range(load8(head + 32)):
        store8(load8(pair + 8) + row * 8, 0)
        pair += 16
    for _ in range(load8(head + 40)):
        store8(load8(pair + 8) + row * 4, 0)
        pair += 16
    for _ in range(load8(head + 48)):
        store8(load8(pair + 8) + row, 0)
        pair += 16
    table = slot + 2 * LAYOUT_BYTES
    if not fresh:
        place = table + 8
        # The three lists follow one another.
        last = load8(layout + 8 * BLOB_LIST) + load8(layout + 8 * BLOB_COUNT)
        for k in range(load8(layout + 8 * FIXED_LIST), last):
            entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
            store1(load8(entry + 8 * VALID_ADDRESS) + row, ~(load8(place) >> 63) & 1)
            place += 16
    table += 16 * load8(layout + 8 * FIXED_COUNT)
    for k in range(load8(layout + 8 * VARINT_LIST), load8(layout + 8 * VARINT_LIST) + load8(layout + 8 * VARINT_COUNT)):
        entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
        length = load8(table + 8)
        value = 0
        if length >= 0:
            value = _known_varint(position + load8(table), length)
            if value < load8(entry + 8 * LOW) or value > load8(entry + 8 * HIGH):
                return False
        store8(load8(entry + 8 * VALUE_ADDRESS) + row * load8(entry + 8 * STRIDE), value)
        table += 16
    for k in range(load8(layout + 8 * BLOB_LIST), load8(layout + 8 * BLOB_LIST) + load8(layout + 8 * BLOB_COUNT)):
        entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
        length = load8(table + 8)
        present = ~(length >> 63)
        value = ((position + load8(table) - origin) | (length << 32)) & present
        store8(load8(entry + 8 * VALUE_ADDRESS) + row * load8(entry + 8 * STRIDE), value)
        table += 16
    return True

"""The compiled walk over the bytes of a batch of datums.

One function, `walk`, interprets the program of `program.compile_program`. It works on addresses: input bytes are
read and columns are written through raw loads and stores, so every step first ensures that it stays within its
payload, and `columns.Buffers` sizes the columns. Nothing here allocates.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from broker_assets.packets.layouts import learn, matches, read_layout, write_plan
from broker_assets.packets.opcodes import (
    ARRAY,
    BLOB,
    BLOCK,
    BLOCK_END,
    BLOCK_SIZE,
    BRANCH,
    CAPACITY,
    COUNT,
    END,
    ENTRY_COUNT,
    ENTRY_SIZE,
    FILL,
    FIRST_ENTRY,
    FIXED,
    HIGH,
    ITEM,
    ITEM_END,
    ITEMS,
    JUMP,
    KEEP,
    LAYOUT,
    LAYOUT_SIZE,
    LENGTH,
    LOW,
    MISSES,
    NULL_BRANCH,
    NULLABLE,
    OK,
    OPERATION_SIZE,
    PACKET_ADDRESS,
    PARENT_ADDRESS,
    PARENT_TABLE,
    PATH,
    RANGE,
    REMAINING,
    REQUIRED,
    ROW_MASK,
    SIZE,
    SKIP_FIXED,
    SLACK,
    SLOTS,
    STAMPS,
    START,
    STRIDE,
    TEXT,
    TILE,
    TOTAL,
    TRAILING,
    TRUNCATED,
    UNION,
    UTF8,
    VALID_ADDRESS,
    VALUE_ADDRESS,
    VARINT,
)
from broker_assets.packets.raw import is_text, load1, load8, store1, store8, varint
from broker_assets.packets.tiles import flush, restore


@njit(nogil=True, cache=True)
def walk(
    first: int,
    addresses: Any,
    starts: Any,
    ends: Any,
    operations: int,
    entries: int,
    lists: int,
    tables: Any,
    columns: Any,
    rows: Any,
    bases: Any,
    kept: Any,
    frames: Any,
    layouts: int,
    known: Any,
    slots: int,
    slot_size: int,
    plan_offset: int,
    masks: Any,
    items_begin: Any,
    items_end: Any,
    item_ends: Any,
    seen: Any,
    failures: Any,
    maximum_items: int,
) -> tuple[int, int]:
    """Read packets from `first` on; return the next packet and the table that is full (-1 at the end of the batch).

    `operations`, `entries`, `lists`, `layouts` and `slots` are addresses of int64, which avoids numba's index handling
    in the inner loops; the other arrays are int64 and C contiguous. `addresses`, `starts`, `ends` give the location of
    payload i and which of its bytes are the datum. `entries`, `lists`, `operations`, `layouts` are the program with the
    addresses of the tiles filled in. `rows` and `bases` count the rows of each table that are in its tile and in its
    columns; `kept` is memory for their sum at the start of a packet. `slots` contains the cached layouts of `slot_size`
    bytes each, `known` (n, STAMPS + TILE) their lengths, the last one that matched, how many were learnt, how often
    none matched and which of them wrote a row of the tile. For each table whose items are selected, `masks` is the
    address of a byte per item (zero: not wanted), `item_ends` that of the byte after it in the payload (int32, readable
    four bytes beyond the last), `items_begin` and `items_end` (tables, packets) say which of them are a packet's, and
    `seen` is memory for the items of the packet so far; items beyond its end are kept. A failed packet leaves
    (reason, byte, path) in its row of `failures` and no rows.
    """
    for packet in range(first, len(addresses)):
        address = addresses[packet]
        position = address + starts[packet]
        end = address + ends[packet]
        if rows[0] == TILE:
            flush(0, tables, columns, rows, bases)
        for table in range(len(rows)):
            kept[table] = bases[table] + rows[table]
        failure = OK
        path = 0
        items = 0
        counter = 0
        seen[:] = 0
        if starts[packet] < 0 or starts[packet] > ends[packet]:
            failure = START
            position = address
        elif kept[0] >= tables[0, CAPACITY]:
            return packet, 0
        else:
            store8(tables[0, PACKET_ADDRESS] + kept[0] * 4, packet)
        while failure == OK:
            operation = operations + OPERATION_SIZE * counter
            code = load8(operation)
            if code == FIXED:
                # Numbers of constant width, null or not, without a branch that depends on the data.
                row = rows[load8(operation + 8 * 4)]
                entry = entries + ENTRY_SIZE * load8(operation + 8 * 1)
                last = entry + ENTRY_SIZE * load8(operation + 8 * 2)
                if position + load8(operation + 8 * 3) + SLACK <= end:
                    while entry < last:
                        byte = load1(position)
                        required = load8(entry + 8 * REQUIRED)
                        if byte & 0xFD & (required - 1) != 0:
                            failure = BRANCH
                            break
                        present = (((byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)) & 1) | required
                        position += 1 - required
                        place = row & load8(entry + 8 * ROW_MASK)
                        value = load8(position) & -present
                        store8(load8(entry + 8 * VALUE_ADDRESS) + place * load8(entry + 8 * STRIDE), value)
                        store1(load8(entry + 8 * VALID_ADDRESS) + place, present)
                        position += load8(entry + 8 * SIZE) & -present
                        entry += ENTRY_SIZE
                else:
                    while entry < last:
                        present = 1
                        if load8(entry + 8 * REQUIRED) == 0:
                            if position >= end:
                                failure = TRUNCATED
                                break
                            byte = load1(position)
                            if byte & 0xFD != 0:
                                failure = BRANCH
                                break
                            present = (byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)
                            position += 1
                        size = load8(entry + 8 * SIZE) & -present
                        if position + size > end:
                            failure = TRUNCATED
                            break
                        value = 0
                        for k in range(size):
                            value |= load1(position + k) << (8 * k)
                        place = row & load8(entry + 8 * ROW_MASK)
                        store8(load8(entry + 8 * VALUE_ADDRESS) + place * load8(entry + 8 * STRIDE), value)
                        store1(load8(entry + 8 * VALID_ADDRESS) + place, present)
                        position += size
                        entry += ENTRY_SIZE
                if failure != OK:
                    path = load8(entry + 8 * PATH)
                    break
                counter += 1
            elif code == SKIP_FIXED:
                entry = entries + ENTRY_SIZE * load8(operation + 8 * 1)
                last = entry + ENTRY_SIZE * load8(operation + 8 * 2)
                if position + load8(operation + 8 * 3) <= end:
                    while entry < last:
                        byte = load1(position)
                        required = load8(entry + 8 * REQUIRED)
                        if byte & 0xFD & (required - 1) != 0:
                            failure = BRANCH
                            break
                        present = (((byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)) & 1) | required
                        position += (1 - required) + (load8(entry + 8 * SIZE) & -present)
                        entry += ENTRY_SIZE
                else:
                    while entry < last:
                        present = 1
                        if load8(entry + 8 * REQUIRED) == 0:
                            if position >= end:
                                failure = TRUNCATED
                                break
                            byte = load1(position)
                            if byte & 0xFD != 0:
                                failure = BRANCH
                                break
                            present = (byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)
                            position += 1
                        size = load8(entry + 8 * SIZE) & -present
                        if position + size > end:
                            failure = TRUNCATED
                            break
                        position += size
                        entry += ENTRY_SIZE
                if failure != OK:
                    path = load8(entry + 8 * PATH)
                    break
                counter += 1
            elif code in (VARINT, BLOB):
                row = rows[load8(operation + 8 * 4)]
                entry = entries + ENTRY_SIZE * load8(operation + 8 * 1)
                last = entry + ENTRY_SIZE * load8(operation + 8 * 2)
                while entry < last:
                    present = 1
                    if load8(entry + 8 * REQUIRED) == 0:
                        if position >= end:
                            failure = TRUNCATED
                            break
                        byte = load1(position)
                        if byte & 0xFD != 0:
                            failure = BRANCH
                            break
                        present = (byte >> 1) ^ load8(entry + 8 * NULL_BRANCH)
                        position += 1
                    value = 0
                    if present != 0:
                        size = load8(entry + 8 * SIZE)
                        if size < 0:
                            following, value = varint(position, end)
                            if following < 0:
                                failure = -following
                                break
                            size = value
                        else:
                            following = position
                        if code == BLOB:
                            if size < 0:
                                failure = LENGTH
                                break
                            if size > end - following:
                                failure = TRUNCATED
                                break
                            position = following
                            following += size
                            if load8(entry + 8 * LOW) == UTF8 and not is_text(position, following):
                                failure = TEXT
                                break
                            value = (position - address) | (size << 32)
                        elif value < load8(entry + 8 * LOW) or value > load8(entry + 8 * HIGH):
                            failure = RANGE
                            break
                        position = following
                    place = row & load8(entry + 8 * ROW_MASK)
                    store8(load8(entry + 8 * VALUE_ADDRESS) + place * load8(entry + 8 * STRIDE), value)
                    store1(load8(entry + 8 * VALID_ADDRESS) + place, present)
                    entry += ENTRY_SIZE
                if failure != OK:
                    path = load8(entry + 8 * PATH)
                    break
                counter += 1
            elif code == LAYOUT:
                layout = load8(operation + 8 * 1)
                row = rows[load8(operation + 8 * 4)]
                chosen = -1
                guess = known[layout, SLOTS]
                for k in range(SLOTS + 1):
                    # First the one that matched last, then all of them.
                    slot = guess if k == 0 else k - 1
                    length = known[layout, slot]
                    if length > 0 and position + length + 64 <= end:
                        place = slots + (layout * SLOTS + slot) * slot_size
                        if matches(position, place, length):
                            chosen = slot
                            break
                if chosen < 0:
                    # If many records differ from all others, learning each costs more than it saves.
                    known[layout, MISSES] += 1
                    if known[layout, SLOTS + 1] >= SLOTS and known[layout, MISSES] & 3 != 0:
                        known[layout, STAMPS + row] = 0
                        counter += 1
                        continue
                    chosen = known[layout, SLOTS + 1] & (SLOTS - 1)
                    place = slots + (layout * SLOTS + chosen) * slot_size
                    first_entry = load8(layouts + LAYOUT_SIZE * layout + 8 * FIRST_ENTRY)
                    entry_count = load8(layouts + LAYOUT_SIZE * layout + 8 * ENTRY_COUNT)
                    length = learn(position, end, place, entries, first_entry, entry_count)
                    known[layout, chosen] = length
                    if length < 0:
                        known[layout, STAMPS + row] = 0
                        counter += 1
                        continue
                    known[layout, SLOTS + 1] += 1
                    layout_row = layouts + LAYOUT_SIZE * layout
                    write_plan(place, known[layout, SLOTS + 1], plan_offset, entries, lists, layout_row)
                known[layout, SLOTS] = chosen
                place = slots + (layout * SLOTS + chosen) * slot_size
                stamp = load8(place + plan_offset)
                fresh = load8(operation + 8 * 3) != 0 and known[layout, STAMPS + row] == stamp
                known[layout, STAMPS + row] = stamp
                layout_row = layouts + LAYOUT_SIZE * layout
                if not read_layout(position, address, place, plan_offset, row, fresh, entries, lists, layout_row):
                    known[layout, STAMPS + row] = 0
                    counter += 1
                    continue
                position += length
                counter = load8(operation + 8 * 2)
            elif code == NULLABLE:
                if position >= end:
                    failure = TRUNCATED
                    break
                byte = load1(position)
                if byte & 0xFD != 0:
                    failure = BRANCH
                    break
                position += 1
                present = (byte >> 1) ^ load8(operation + 8 * 1)
                index = load8(operation + 8 * 5)
                if index >= 0:
                    entry = entries + ENTRY_SIZE * index
                    place = rows[load8(operation + 8 * 6)] & load8(entry + 8 * ROW_MASK)
                    store8(load8(entry + 8 * VALUE_ADDRESS) + place, present)
                    store1(load8(entry + 8 * VALID_ADDRESS) + place, 1)
                if present != 0:
                    counter += 1
                else:
                    row = rows[load8(operation + 8 * 6)]
                    for k in range(load8(operation + 8 * 3), load8(operation + 8 * 3) + load8(operation + 8 * 4)):
                        entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
                        store8(load8(entry + 8 * VALUE_ADDRESS) + row * load8(entry + 8 * STRIDE), 0)
                        store1(load8(entry + 8 * VALID_ADDRESS) + row, 0)
                    counter = load8(operation + 8 * 2)
            elif code == ITEM:
                table = load8(operation + 8 * 1)
                if rows[table] == TILE:
                    flush(table, tables, columns, rows, bases)
                row = bases[table] + rows[table]
                if row >= tables[table, CAPACITY]:
                    if restore(kept, tables, columns, rows, bases):
                        known[:, STAMPS:] = 0
                    return packet, table
                store8(tables[table, PACKET_ADDRESS] + row * 4, packet)
                if tables[table, PARENT_ADDRESS] != 0:
                    parent = tables[table, PARENT_TABLE]
                    store8(tables[table, PARENT_ADDRESS] + row * 4, bases[parent] + rows[parent])
                counter += 1
            elif code == ITEM_END:
                frame = load8(operation + 8 * 1)
                table = load8(operation + 8 * 2)
                if table >= 0:
                    index = load8(operation + 8 * 5)
                    if index >= 0:
                        entry = entries + ENTRY_SIZE * index
                        store8(load8(entry + 8 * VALUE_ADDRESS) + rows[table] * 4, position - address)
                        store1(load8(entry + 8 * VALID_ADDRESS) + rows[table], 1)
                    rows[table] += 1
                frames[frame, REMAINING] -= 1
                if frames[frame, REMAINING] > 0:
                    counter = load8(operation + 8 * 3)
                else:
                    if frames[frame, BLOCK_END] != 0 and frames[frame, BLOCK_END] != position:
                        failure = BLOCK_SIZE
                        break
                    counter = load8(operation + 8 * 4)
            elif code == ARRAY:
                frames[load8(operation + 8 * 1), TOTAL] = 0
                counter += 1
            elif code == BLOCK:
                frame = load8(operation + 8 * 1)
                following, count = varint(position, end)
                if following < 0:
                    failure = -following
                    break
                size = 0
                # Compared before it is negated: overflow is undefined, and the most negative number has no opposite.
                if count > maximum_items or count < -maximum_items:
                    failure = ITEMS
                    break
                if count < 0:
                    count = -count
                    position = following
                    following, size = varint(position, end)
                    if following < 0:
                        failure = -following
                        break
                    if size < 0 or size > end - following:
                        failure = LENGTH
                        break
                    frames[frame, BLOCK_END] = following + size
                else:
                    frames[frame, BLOCK_END] = 0
                if items + count > maximum_items:
                    failure = ITEMS
                    break
                items += count
                if count * load8(operation + 8 * 3) > end - following:
                    failure = COUNT
                    break
                position = following
                frames[frame, TOTAL] += count
                if count == 0:
                    index = load8(operation + 8 * 4)
                    if index >= 0:
                        entry = entries + ENTRY_SIZE * index
                        row = rows[load8(operation + 8 * 6)]
                        store8(load8(entry + 8 * VALUE_ADDRESS) + row * 4, frames[frame, TOTAL])
                        store1(load8(entry + 8 * VALID_ADDRESS) + row, 1)
                    counter = load8(operation + 8 * 2)
                elif load8(operation + 8 * 5) != 0 and frames[frame, BLOCK_END] != 0:
                    position = frames[frame, BLOCK_END]  # unwanted, and its size is known
                else:
                    frames[frame, REMAINING] = count
                    counter += 1
            elif code == KEEP:
                selected = load8(operation + 8 * 1)
                place = items_begin[selected, packet] + seen[selected]
                seen[selected] += 1
                if place < items_end[selected, packet] and load1(masks[selected] + place) == 0:
                    # Where the item ends is known from an earlier walk over the same bytes.
                    following = address + (load8(item_ends[selected] + 4 * place) & 0xFFFFFFFF)
                    if following < position or following > end:
                        failure = LENGTH
                        break
                    position = following
                    counter = load8(operation + 8 * 2)
                else:
                    counter += 1
            elif code == UNION:
                following, value = varint(position, end)
                if following < 0:
                    failure = -following
                    break
                if value < 0 or value >= load8(operation + 8 * 1):
                    failure = BRANCH
                    break
                position = following
                index = load8(operation + 8 * 3)
                if index >= 0:
                    entry = entries + ENTRY_SIZE * index
                    row = rows[load8(operation + 8 * 6)]
                    store8(load8(entry + 8 * VALUE_ADDRESS) + row * load8(entry + 8 * STRIDE), value)
                    store1(load8(entry + 8 * VALID_ADDRESS) + row, 1)
                counter = load8(lists + 8 * (load8(operation + 8 * 2) + value))
            elif code == FILL:
                row = rows[load8(operation + 8 * 6)]
                for k in range(load8(operation + 8 * 1), load8(operation + 8 * 1) + load8(operation + 8 * 2)):
                    entry = entries + ENTRY_SIZE * load8(lists + 8 * k)
                    store8(load8(entry + 8 * VALUE_ADDRESS) + row * load8(entry + 8 * STRIDE), 0)
                    store1(load8(entry + 8 * VALID_ADDRESS) + row, 0)
                counter += 1
            elif code == JUMP:
                counter = load8(operation + 8 * 1)
            else:
                if code == END and position != end:
                    failure = TRAILING
                break
        if failure != OK:
            if path == 0 and failure != START:
                path = load8(operation + 8 * 7)
            failures[packet, 0] = failure
            failures[packet, 1] = position - address
            failures[packet, 2] = path
            if restore(kept, tables, columns, rows, bases):
                known[:, STAMPS:] = 0
        else:
            rows[0] += 1
    for table in range(len(rows)):
        flush(table, tables, columns, rows, bases)
    return len(addresses), -1

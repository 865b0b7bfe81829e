"""Tiles: memory where rows are collected before they are moved to the columns.

A row writes to hundreds of columns, each in a different memory page: more than the processor caches translations for.
Rows are therefore collected in a small tile and moved together. `rows` counts the rows in the tile of each table and
`bases`, always multiples of TILE, those that have been moved. Bits are packed in the process.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from broker_assets.packets.opcodes import (
    COLUMN_COUNT,
    COLUMN_VALID,
    COLUMN_VALUES,
    FIRST_COLUMN,
    HAS_NULL,
    IS_BITS,
    TILE,
    TILE_VALID,
    TILE_VALUES,
    WIDTH,
)
from broker_assets.packets.raw import load8, store1, store8


@njit(nogil=True, cache=True)
def pack(address: int) -> int:
    """One bit for each of 64 bytes: whether it is not zero."""
    word = 0
    for k in range(8):
        bits = load8(address + 8 * k)
        bits |= (bits >> 4) & 0x0F0F0F0F0F0F0F0F
        bits |= (bits >> 2) & 0x3F3F3F3F3F3F3F3F
        bits |= (bits >> 1) & 0x7F7F7F7F7F7F7F7F
        bits &= 0x0101010101010101
        bits |= bits >> 7
        bits |= bits >> 14
        bits |= bits >> 28
        word |= (bits & 0xFF) << (8 * k)
    return word


@njit(nogil=True, cache=True, inline="never")
def flush(table: int, tables: Any, columns: Any, rows: Any, bases: Any) -> None:
    """Move the rows of a tile to the columns of its table."""
    count = rows[table]
    base = bases[table]
    every = -1 if count == TILE else ~(-1 << count)
    first = tables[table, FIRST_COLUMN]
    for column in range(first, first + tables[table, COLUMN_COUNT]):
        valid = pack(columns[column, TILE_VALID]) & every
        store8(columns[column, COLUMN_VALID] + (base >> 3), valid)
        if valid != every:
            columns[column, HAS_NULL] = 1
        source = columns[column, TILE_VALUES]
        if columns[column, IS_BITS] != 0:
            store8(columns[column, COLUMN_VALUES] + (base >> 3), pack(source) & every)
        else:
            width = columns[column, WIDTH]
            target = columns[column, COLUMN_VALUES] + base * width
            for offset in range(0, count * width, 8):
                store8(target + offset, load8(source + offset))
    bases[table] = base + count
    rows[table] = 0


@njit(nogil=True, cache=True, inline="never")
def unflush(table: int, count: int, tables: Any, columns: Any, rows: Any, bases: Any) -> None:
    """Go back to `count` rows of a table when some later rows have already been moved."""
    base = count & -TILE
    rows[table] = count - base
    bases[table] = base
    first = tables[table, FIRST_COLUMN]
    for column in range(first, first + tables[table, COLUMN_COUNT]):
        valid = load8(columns[column, COLUMN_VALID] + (base >> 3))
        values = load8(columns[column, COLUMN_VALUES] + (base >> 3))
        for row in range(rows[table]):
            store1(columns[column, TILE_VALID] + row, (valid >> row) & 1)
            if columns[column, IS_BITS] != 0:
                store1(columns[column, TILE_VALUES] + row, (values >> row) & 1)
        if columns[column, IS_BITS] == 0:
            width = columns[column, WIDTH]
            source = columns[column, COLUMN_VALUES] + base * width
            for offset in range(0, rows[table] * width, 8):
                store8(columns[column, TILE_VALUES] + offset, load8(source + offset))


@njit(nogil=True, cache=True)
def restore(counts: Any, tables: Any, columns: Any, rows: Any, bases: Any) -> bool:
    """Go back to the previous number of rows of the tables; return whether moved rows came back into a tile."""
    came_back = False
    for table in range(len(rows)):
        if counts[table] >= bases[table]:
            rows[table] = counts[table] - bases[table]
        else:
            unflush(table, counts[table], tables, columns, rows, bases)
            came_back = True
    return came_back

"""The vocabulary of programs: numbers that `program` writes and `walk` reads must not collide."""

from __future__ import annotations

import pytest

from broker_assets.packets import opcodes
from broker_assets.packets.reader import _REASONS

TABLES = {
    "operations": "FIXED SKIP_FIXED VARINT BLOB NULLABLE UNION FILL JUMP ARRAY BLOCK ITEM KEEP ITEM_END STOP END"
    " LAYOUT",
    "entries": "VALUE_ADDRESS VALID_ADDRESS ROW_MASK SIZE STRIDE REQUIRED NULL_BRANCH LOW HIGH PATH KIND WANTED",
    "layouts": "FIRST_ENTRY ENTRY_COUNT FIXED_LIST FIXED_COUNT VARINT_LIST VARINT_COUNT BLOB_LIST BLOB_COUNT",
    "tables": "PACKET_ADDRESS PARENT_ADDRESS CAPACITY PARENT_TABLE FIRST_COLUMN COLUMN_COUNT",
    "columns": "WIDTH IS_BITS TILE_VALUES TILE_VALID COLUMN_VALUES COLUMN_VALID HAS_NULL",
    "reasons": "OK TRUNCATED BRANCH LONG_VARINT RANGE LENGTH COUNT ITEMS TEXT TRAILING BLOCK_SIZE START",
}


@pytest.mark.parametrize("table", TABLES)
def test_numbers_of_a_table_are_dense(table: str) -> None:
    numbers = [getattr(opcodes, name) for name in TABLES[table].split()]
    assert numbers == list(range(len(numbers)))


def test_sizes_are_those_of_the_tables() -> None:
    sizes = (opcodes.ENTRY_COLUMNS, opcodes.LAYOUT_COLUMNS, opcodes.TABLE_COLUMNS, opcodes.COLUMN_COLUMNS)
    assert sizes == tuple(len(TABLES[name].split()) for name in ("entries", "layouts", "tables", "columns"))
    assert (opcodes.ENTRY_SIZE, opcodes.LAYOUT_SIZE) == (8 * opcodes.ENTRY_COLUMNS, 8 * opcodes.LAYOUT_COLUMNS)
    assert opcodes.MISSES >= opcodes.SLOTS + 2, "lengths, the last match and the number learnt come before"
    assert opcodes.LAYOUT_BYTES % 64 == 0, "layouts are compared 64 bytes at a time"


def test_every_failure_has_a_reason() -> None:
    assert set(range(opcodes.TRUNCATED, opcodes.START + 1)) <= set(_REASONS)

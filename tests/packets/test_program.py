"""Programs for the walk: what is wanted is stored, runs are one operation, reading ends after the last wanted field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from broker_assets.packets import opcodes
from broker_assets.packets.program import Program, compile_program
from broker_assets.packets.schema import Record, UnsupportedSchema, resolve

NUMBERS = [{"name": f"n{number}", "type": "double"} for number in range(20)]


def record(*fields: dict[str, Any]) -> Record:
    found = resolve({"type": "record", "name": "r", "fields": list(fields)})
    assert isinstance(found, Record)
    return found


def codes(program: Program) -> list[int]:
    return program.operations[:, 0].tolist()


def outputs(program: Program, table: int = 0) -> list[str]:
    return [output.name for output in program.tables[table].outputs]


def test_fields_of_one_kind_are_one_operation() -> None:
    program = compile_program(record(*NUMBERS[:3]), None)
    assert codes(program) == [opcodes.FIXED, opcodes.END]
    assert program.operations[0, 2:4].tolist() == [3, 24], "three entries, 24 bytes"
    assert [storage.width for storage in program.storages] == [8, 8, 8]


def test_reading_ends_after_the_last_wanted_field() -> None:
    schema = record(*NUMBERS[:2], {"name": "text", "type": "string"}, NUMBERS[2])
    partly = compile_program(schema, {"": ["n1"]}, to_end=False)
    assert codes(partly)[-1] == opcodes.STOP
    assert opcodes.BLOB not in codes(partly)
    whole = compile_program(schema, {"": ["n1"]}, to_end=True)
    assert codes(whole)[-1] == opcodes.END
    assert opcodes.BLOB in codes(whole), "the text is walked over"
    assert outputs(partly) == outputs(whole) == ["n1"]


def test_long_stretches_of_unwanted_numbers_are_skipped_at_once() -> None:
    program = compile_program(record(*NUMBERS), {"": ["n0", "n19"]})
    skips = program.operations[program.operations[:, 0] == opcodes.SKIP_FIXED]
    assert len(skips) == 1
    assert skips[0, 3] == 18 * 8
    stored = program.entries[:, opcodes.ROW_MASK] == -1
    assert stored.sum() == 2


def test_every_operation_refers_to_what_exists() -> None:
    item = {"type": "record", "name": "item", "fields": [NUMBERS[0], {"name": "label", "type": ["null", "string"]}]}
    schema = record(
        *NUMBERS[:5],
        {"name": "items", "type": {"type": "array", "items": item}},
        {"name": "either", "type": ["null", "long", "string"]},
        {"name": "marks", "type": {"type": "map", "values": "int"}},
        {"name": "inner", "type": ["null", {"type": "record", "name": "inner", "fields": NUMBERS[5:10]}]},
    )
    program = compile_program(schema, None)
    assert [(info.path, info.parent, info.hidden) for info in program.tables] == [
        ("", -1, False),
        ("items", 0, False),
        ("marks", 0, True),
    ]
    size = len(program.operations)
    for operation in program.operations:
        code = operation[0]
        if code in (opcodes.NULLABLE, opcodes.BLOCK, opcodes.LAYOUT):
            assert 0 < operation[2] <= size
        if code == opcodes.JUMP:
            assert 0 < operation[1] <= size
        if code in (opcodes.FIXED, opcodes.SKIP_FIXED, opcodes.VARINT, opcodes.BLOB):
            assert 0 <= operation[1] < operation[1] + operation[2] <= len(program.entries)
            assert 0 <= operation[4] < len(program.tables)
        assert 0 <= operation[-1] < len(program.paths)
    assert {storage.table for storage in program.storages} == {0, 1, 2}
    assert (program.entries[[storage.entry for storage in program.storages], opcodes.STRIDE] > 0).all()
    assert np.isin(program.lists, np.arange(max(size, len(program.entries)))).all()


def test_chosen_items_are_selected_by_table() -> None:
    item = {"type": "record", "name": "item", "fields": NUMBERS[:1]}
    schema = record({"name": "items", "type": {"type": "array", "items": item}})
    program = compile_program(schema, None, selected=["items"])
    assert program.selected == ["items"]
    # An item ends either as a row or, if it was passed over, without one.
    ends = [operation for operation in program.operations.tolist() if operation[0] == opcodes.ITEM_END]
    assert opcodes.KEEP in codes(program)
    assert [operation[2] for operation in ends] == [1, -1]
    assert opcodes.KEEP not in codes(compile_program(schema, None))


@pytest.mark.parametrize(
    ("columns", "selected", "missing"),
    [
        ({"": ["absent"]}, [], "not in schema r: absent"),
        ({"items": ["n0"]}, [], "not in schema r: table 'items'"),
        (None, ["items"], "not in schema r: table 'items'"),
        ({"": ["n0", "a", "b"]}, [], "not in schema r: a, b"),
    ],
)
def test_what_is_not_in_the_schema_is_named(columns: Any, selected: list[str], missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        compile_program(record(NUMBERS[0]), columns, selected=selected)


def test_a_schema_that_is_too_large_written_out_is_refused() -> None:
    """Each level names the one below it many times: a few lines of schema, millions of operations."""
    kind: Any = {"type": "record", "name": "t0", "fields": [{"name": "s", "type": "string"}, NUMBERS[0]]}
    for level in range(1, 7):
        fields = [{"name": "f0", "type": kind}] + [{"name": f"f{k}", "type": f"t{level - 1}"} for k in range(1, 12)]
        kind = {"type": "record", "name": f"t{level}", "fields": fields}
    with pytest.raises(UnsupportedSchema, match="too large"):
        compile_program(resolve(kind), None)  # type: ignore[arg-type]

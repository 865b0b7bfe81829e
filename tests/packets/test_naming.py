"""Names of columns and tables, and which of them are wanted."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.packets.naming import Selection, column_names, is_bytes, is_leaf, leaves, minimum_size
from broker_assets.packets.reader import available_columns
from broker_assets.packets.schema import Record, resolve

INNER = {"type": "record", "name": "inner", "fields": [{"name": "x", "type": "float"}, {"name": "s", "type": "string"}]}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "outer",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "stamp", "type": ["null", "bytes"]},
        {"name": "maybe", "type": ["null", INNER]},
        {"name": "some", "type": {"type": "array", "items": "inner"}},
        {"name": "numbers", "type": {"type": "array", "items": "long"}},
        {"name": "by_name", "type": {"type": "map", "values": "inner"}},
        {"name": "either", "type": ["long", "string"]},
        {"name": "hash", "type": {"type": "fixed", "name": "hash", "size": 16}},
    ],
}


def field(name: str) -> Any:
    schema = resolve(SCHEMA)
    assert isinstance(schema, Record)
    return next(member.type for member in schema.fields if member.name == name)


def test_every_place_has_one_name() -> None:
    names = list(column_names(resolve(SCHEMA), "", ""))
    assert len(set(names)) == len(names)
    assert set(names) >= {
        ("", "flag"), ("", "stamp"), ("", "stamp@position"), ("", "stamp@length"), ("", "maybe"), ("", "maybe.x"),
        ("", "maybe.s@length"), ("", "some@count"), ("some", "x"), ("some", "s"), ("", "numbers"),
        ("", "by_name@count"), ("by_name", "key"), ("by_name", "x"), ("", "either@branch"), ("", "either@long"),
        ("", "either@string"), ("", "hash"), ("", "hash@position"),
    }  # fmt: skip


def test_the_reader_offers_the_same_names() -> None:
    offered = {(table, name) for table, names in available_columns(SCHEMA).items() for name in names}
    assert offered == set(column_names(resolve(SCHEMA), "", ""))


@pytest.mark.parametrize(
    ("name", "leaf", "data", "size"),
    [
        ("flag", True, False, 1),
        ("stamp", True, False, 1),
        ("maybe", False, False, 1),
        ("some", False, False, 1),
        ("numbers", True, False, 1),
        ("either", False, False, 2),
        ("hash", True, True, 16),
    ],
)
def test_what_a_field_is(name: str, leaf: bool, data: bool, size: int) -> None:
    assert (is_leaf(field(name)), is_bytes(field(name)), minimum_size(field(name))) == (leaf, data, size)


def test_leaves_of_a_record() -> None:
    inner = field("maybe").nullable
    assert leaves(inner) == 2
    assert leaves(resolve(SCHEMA)) == float("-inf")
    assert minimum_size(inner) == 4 + 1


def test_a_selection() -> None:
    everything = Selection(None)
    assert everything.has("", "stamp")
    assert not everything.has("", "stamp@length"), "only on request"
    assert everything.has_table("some")
    chosen = Selection({"": ["flag", "stamp@length"], "some": ["x"]})
    assert chosen.has("", "stamp@length")
    assert not chosen.has("", "stamp")
    assert (chosen.has_table("some"), chosen.has_table("by_name")) == (True, False)
    assert chosen.touches(field("some"), "", "some")
    assert chosen.touches(field("stamp"), "", "stamp")
    assert not chosen.touches(field("by_name"), "", "by_name")
    assert not chosen.touches(field("maybe"), "", "maybe")

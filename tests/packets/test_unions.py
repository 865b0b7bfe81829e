"""A field that is a union of several types is one column with the values of all of them."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.reader import PacketReader

VALUES = {
    "null": st.none(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
}


def schema(branches: list[str]) -> dict[str, Any]:
    """A record with a union, itself and in an array."""
    item = {"type": "record", "name": "i", "fields": [{"name": "u", "type": branches}]}
    fields = [
        {"name": "a", "type": "long"},
        {"name": "u", "type": branches},
        {"name": "items", "type": {"type": "array", "items": item}},
    ]
    return {"type": "record", "name": "r", "fields": fields}


def write(branches: list[str], value: Any, branch: str) -> bytes:
    out = io.BytesIO()
    chosen = None if branch == "null" else (branch, value)
    record = {"a": 1, "u": chosen, "items": [{"u": chosen}]}
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema(branches)), record)
    return out.getvalue()


@given(st.data())
def test_the_value_whatever_its_branch(data: st.DataObject) -> None:
    branches = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=3, max_size=5, unique=True))
    chosen = data.draw(st.lists(st.sampled_from(branches), min_size=1, max_size=5))
    values = [data.draw(VALUES[branch]) for branch in chosen]
    payloads = [write(branches, value, branch) for value, branch in zip(values, chosen, strict=True)]
    decoded = PacketReader(schema(branches), {"": ["a", "u"], "items": ["u"]}).read(payloads)
    for table in ("", "items"):
        found = decoded.tables[table]["u"].to_pylist()
        for got, value in zip(found, values, strict=True):
            # Where one branch is text, numbers are its text.
            assert got == value or (isinstance(value, int | float) and type(value)(got) == value)


def test_a_branch_that_is_a_record_is_null() -> None:
    kind = ["null", "long", {"type": "record", "name": "x", "fields": [{"name": "y", "type": "int"}]}]
    whole = {"type": "record", "name": "r", "fields": [{"name": "u", "type": kind}]}
    payloads = []
    for value in (5, {"y": 1}, None):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(whole), {"u": value})
        payloads.append(out.getvalue())
    assert PacketReader(whole, {"": ["u"]}).read(payloads).tables[""]["u"].to_pylist() == [5, None, None]


def test_a_union_without_any_value_is_not_in_the_schema() -> None:
    kind = [{"type": "array", "items": "int"}, {"type": "map", "values": "int"}, "null"]
    with pytest.raises(ValueError, match="not in schema r: u"):
        PacketReader({"type": "record", "name": "r", "fields": [{"name": "u", "type": kind}]}, {"": ["u"]})

"""Schemas: the tree of types, names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker_assets.packets.schema import (
    Array,
    Primitive,
    Record,
    SchemaError,
    Union,
    UnsupportedSchema,
    resolve,
)

SOURCE: dict[str, Any] = {
    "type": "record",
    "name": "diaSource",
    "namespace": "lsst.v9_0",
    "doc": "a detection",
    "fields": [
        {"name": "id", "type": "long", "doc": "identifier"},
        {"name": "band", "type": ["null", {"type": "enum", "name": "band", "symbols": ["g", "r"]}], "default": None},
        {"name": "hash", "type": {"type": "fixed", "name": "other.md5", "size": 16}},
        {"name": "again", "type": ["null", "band", "other.md5"]},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def test_names_are_resolved_in_their_namespace() -> None:
    source = resolve(SOURCE)
    assert isinstance(source, Record)
    assert source.name == "lsst.v9_0.diaSource"
    again = source.fields[3].type
    assert isinstance(again, Union)
    assert [getattr(branch, "name", None) for branch in again.branches] == ["null", "lsst.v9_0.band", "other.md5"]
    assert source.fields[4].type == Primitive("long", "timestamp-millis")


def test_text_lists_and_wrapped_types() -> None:
    assert resolve(json.dumps(["null", "int"])) == Union((Primitive("null"), Primitive("int")))
    assert resolve({"type": {"type": "array", "items": {"type": "string"}}}) == Array(Primitive("string"))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("nothing", "unknown type 'nothing'"),
        ({"type": "record", "fields": []}, "record without a name"),
        ({"type": "record", "name": "r"}, "malformed schema"),
        ({"type": "fixed", "name": "f", "size": -1}, "fixed f has the size -1"),
        (["null", ["int", "long"]], "a union may not immediately contain a union"),
        ("{", "schema is not JSON"),
        (7, "not a schema: 7"),
    ],
)
def test_malformed(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        resolve(schema)


def test_too_deep() -> None:
    schema: Any = "int"
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(UnsupportedSchema, match="nested too deeply"):
        resolve(schema)


def test_a_type_that_contains_itself() -> None:
    tree = {"type": "record", "name": "tree", "fields": [{"name": "kids", "type": {"type": "array", "items": "tree"}}]}
    with pytest.raises(UnsupportedSchema, match="tree contains itself"):
        resolve(tree)

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
        ({"type": "fixed", "name": "f", "size": True}, "fixed f has the size True"),
        ({"type": "fixed", "name": "f", "size": 2**63 - 64}, "at most 67108864"),
        (["null", "null"], "two branches that are null"),
        ({"type": "enum", "name": "a\x00b"}, "not printable"),
        ({"type": "record", "name": "r", "fields": [{"name": "\ud800", "type": "int"}]}, "not printable"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 1e400, "items": 1, "name": 2, "type ": 3}, None),
        ({"type": "record", "name": "r", "fields": 7}, "malformed schema"),
        ('"' + "x" * 2**20 + '"', "schema is too large"),
        ('{"size": ' + "9" * 5000 + "}", "schema is not JSON"),
    ],
)
def test_malformed(schema: Any, reason: str | None) -> None:
    if reason is None:  # the specification: logical types that make no sense are ignored
        assert resolve(schema) == Primitive("bytes", "decimal")
        return
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


@pytest.mark.parametrize("leaf", ["int", {"type": "record", "name": "empty", "fields": []}])
@pytest.mark.parametrize("combine", ["record", "union"])
def test_a_few_names_that_stand_for_more_types_than_any_memory(leaf: Any, combine: str) -> None:
    """Refused before anything is expanded, whether or not the expanded types have values."""
    bomb = leaf
    for level in range(40):
        again: Any = f"n{level - 1}" if level else "string"
        kind: Any = bomb if combine == "record" else ["null", bomb]
        fields = [{"name": "a", "type": kind}, {"name": "b", "type": again}]
        bomb = {"type": "record", "name": f"n{level}", "fields": fields}
    with pytest.raises(UnsupportedSchema, match="too large"):
        resolve(bomb)


def test_a_long_name_repeated_in_every_dotted_name() -> None:
    many = {
        "type": "record",
        "name": "many",
        "fields": [{"name": f"f{number}", "type": "int"} for number in range(5000)],
    }
    long = {"type": "record", "name": "r", "fields": [{"name": "x" * 100_000, "type": many}]}
    with pytest.raises(UnsupportedSchema, match="characters in their names"):
        resolve(long)

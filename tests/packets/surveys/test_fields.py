"""Fields of a schema by the table that has them."""

from __future__ import annotations

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.surveys.fields import leaf_fields, qualified

LEAF: AvroSchema = {"type": "record", "name": "leaf", "fields": [{"name": "x", "type": ["null", "double"]}]}
SCHEMA: AvroSchema = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "source", "type": ["null", LEAF]},
        {"name": "numbers", "type": {"type": "array", "items": "int"}},
        {"name": "many", "type": ["null", {"type": "array", "items": "leaf"}]},
        {
            "name": "outer",
            "type": {
                "type": "record",
                "name": "outer",
                "fields": [{"name": "inner", "type": {"type": "array", "items": ["null", "leaf"]}}],
            },
        },
        {"name": "stamp", "type": ["null", "bytes"]},
    ],
}


def test_records_are_flattened_and_arrays_of_records_are_tables() -> None:
    assert leaf_fields(SCHEMA) == {
        "": ("id", "source.x", "numbers", "stamp"),
        "many": ("x",),
        "outer.inner": ("x",),
    }


def test_names_of_all_fields_differ() -> None:
    names = [qualified(path, name) for path, names in leaf_fields(SCHEMA).items() for name in names]
    assert len(set(names)) == len(names)
    assert "outer.inner.x" in names

"""Named types: put into the schema that refers to them, from lists, folders and other schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from broker_assets.packets.named_types import SchemaNotFound, names_used, spell_out
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.schema import Record, SchemaError, resolve

canonical = fastavro.schema.to_parsing_canonical_form

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
ALERT: dict[str, Any] = {
    "type": "record",
    "name": "alert",
    "namespace": "lsst.v9_0",
    "fields": [
        {"name": "diaSource", "type": "diaSource"},
        {"name": "history", "type": ["null", {"type": "array", "items": "lsst.v9_0.diaSource"}]},
        {"name": "extra", "type": {"type": "map", "values": "double"}},
    ],
}


def test_a_type_that_is_defined_nowhere() -> None:
    with pytest.raises(SchemaNotFound, match=r"lsst\.v9_0\.diaSource"):
        spell_out(ALERT, {})


def test_a_list_of_types() -> None:
    """As `fastavro` writes them; the last record is the schema."""
    spelled = spell_out([SOURCE, {"type": "enum", "name": "other", "symbols": []}, ALERT], {})
    assert canonical(spelled) == canonical(spell_out(ALERT, {"lsst.v9_0.diaSource": SOURCE}))
    for schema in ([], ["int"], "int", {"type": "array", "items": "int"}, None):
        with pytest.raises(SchemaNotFound, match="record"):
            spell_out(schema, {})


def test_types_that_are_referred_to() -> None:
    assert names_used(ALERT) == {"lsst.v9_0.diaSource"}
    assert names_used(SOURCE) == {"lsst.v9_0.band", "other.md5"}
    assert names_used(["null", {"type": "map", "values": "a.b"}, {"type": "fixed", "name": "f", "size": 2}]) == {"a.b"}


def deep(levels: int) -> Any:
    """Arrays of arrays."""
    schema: Any = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"type": "record", "fields": []}, "record without a name"),
        ({"items": "int"}, "malformed schema: KeyError"),
        (7, "malformed schema: TypeError"),
        (deep(5000), "nested too deeply"),
    ],
    ids=["no name", "no type", "a number", "deep"],
)
def test_malformed(tmp_path: Path, field: Any, reason: str) -> None:
    schema = {"type": "record", "name": "alert", "fields": [{"name": "x", "type": field}]}
    with pytest.raises(SchemaError, match=reason):
        spell_out(schema, {})
    if "deep" not in reason:  # JSON's own encoder cannot write that
        (tmp_path / "alert.avsc").write_text(json.dumps(schema))
        with pytest.raises(SchemaNotFound, match="cannot read the schema"):
            SchemaFolder(tmp_path).for_topic(None)


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "alert.avsc").write_text(json.dumps(ALERT))
    (tmp_path / "source.avsc").write_text(json.dumps(SOURCE))
    loaded = SchemaFolder(tmp_path).for_topic(None)
    assert loaded == SchemaFolder(tmp_path / "alert.avsc").for_topic(None)
    assert loaded["name"] == "lsst.v9_0.alert"
    record = resolve(loaded)
    assert isinstance(record, Record)
    assert record.fields[0].type == resolve(SOURCE)
    fastavro.parse_schema(loaded)
    (tmp_path / "other.avsc").write_text(json.dumps(SOURCE | {"name": "unrelated"}))
    assert SchemaFolder(tmp_path).for_topic(None) == loaded
    (tmp_path / "alert.avsc").unlink()
    with pytest.raises(SchemaNotFound, match="several packet schemas"):
        SchemaFolder(tmp_path).for_topic(None)


def test_rubin_schemas_of_every_version() -> None:
    packets = pytest.importorskip("importlib.metadata").files("lsst-alert-packet") or []
    found = [Path(str(file.locate())) for file in packets if file.name.endswith(".alert.avsc")]
    if not found:
        pytest.skip("lsst-alert-packet is not installed")
    for path in found:
        loaded = SchemaFolder(path.parent).for_topic(None)
        assert canonical(loaded) == canonical(fastavro.schema.load_schema(str(path)))

"""Records of notices: bounded by their bytes, whatever the bytes are."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import fastavro
import pytest
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given

from broker_assets.sky.notice_records import read_record

EVENT = {"type": "record", "name": "Event", "fields": [{"name": "far", "type": "double"}]}
SCHEMA = {
    "type": "record",
    "name": "Notice",
    "namespace": "igwn",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "event", "type": ["null", EVENT]},
        {"name": "earlier", "type": {"type": "array", "items": "igwn.Event"}},
        {"name": "urls", "type": {"type": "map", "values": "string"}},
    ],
}
RECORD = {"id": "S1", "event": {"far": 1.5}, "earlier": [{"far": 2.5}], "urls": {"a": "b"}}


def container(schema: Any = SCHEMA, records: Any = (RECORD,), codec: str = "null") -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, records, codec=codec)
    return buffer.getvalue()


def raw(schema: Any, block: bytes, *, count: int = 1, codec: bytes = b"null") -> bytes:
    """A container whose block is written by hand."""
    header = {
        "magic": b"Obj\x01",
        "meta": {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec},
        "sync": bytes(16),
    }
    buffer = io.BytesIO()
    fields = [
        {"name": "magic", "type": {"type": "fixed", "name": "m", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "s", "size": 16}},
    ]
    fastavro.schemaless_writer(buffer, {"type": "record", "name": "h", "fields": fields}, header)
    for number in (count, len(block)):
        fastavro.schemaless_writer(buffer, "long", number)
    return buffer.getvalue() + block + bytes(16)  # fmt: skip


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_containers_and_json(codec: str) -> None:
    assert read_record(container(codec=codec), largest=1000) == RECORD
    assert read_record(json.dumps(RECORD).encode(), largest=1000) == RECORD


def deep(levels: int) -> Any:
    schema: Any = "int"
    for level in range(levels):
        schema = {"type": "record", "name": f"R{level}", "fields": [{"name": "x", "type": schema}]}
    return schema


LIST = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
EMPTY = {"type": "record", "name": "E", "fields": []}
BINARY = "\x02"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (container(records=[RECORD, RECORD]), "2 records"),
        (container() + b"x", "more than one block"),
        (container()[:-20], "truncated"),
        (raw({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"), "'null'"),
        (raw({"type": "array", "items": EMPTY}, b"\xfe\xff\xff\x0f\0"), "without fields"),
        (raw({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, b"\xfe\x0f\0"), "of size 0"),
        (raw({"type": "fixed", "name": "F", "size": 2**62}, b""), "neither JSON"),
        (raw(LIST, BINARY.encode() * 2_000_000), "'L'"),
        (raw(deep(60), b"\2"), "nested records"),
        (raw("bytes", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "neither JSON"),
        (raw("string", zlib.compress(bytes(100_000_000))[2:-4], codec=b"deflate"), "unpacks to more than"),
        (raw("string", b"\x02a", codec=b"snappy"), "codec"),
        (raw("string", b"\x02a", count=2**60), "records in a block"),
        (raw("string", b"\x02ab"), "follow the record"),
        (b"[" * 100_000, "neither JSON"),
        (b"9" * 10_000, "neither JSON"),
        (b"", "neither JSON"),
    ],
)  # fmt: skip
def test_bombs_and_damage(content: bytes, reason: str) -> None:
    with memory_below(16 * 1024**2), pytest.raises(ValueError, match=reason):
        read_record(content, largest=1024**2)


@given(damaged([container(), container(codec="deflate"), json.dumps(RECORD).encode()]))
def test_damaged_bytes_are_a_record_or_a_reason(content: bytes) -> None:
    with memory_below(8 * 1024**2), refused_with_reason(ValueError):
        read_record(content, largest=100_000)

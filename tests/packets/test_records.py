"""Blocks are divided into the records that were written, or the damage is named."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.container import ContainerError, read_blocks, read_header, write_header, write_long
from broker_assets.packets.records import RecordSplitter

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "x", "type": ["null", "long"]},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "many", "type": {"type": "array", "items": "string"}},
    ],
}
RECORDS = st.fixed_dictionaries(
    {
        "x": st.none() | st.integers(-(2**63), 2**63 - 1),
        "time": st.integers(-(2**63), 2**63 - 1),
        "many": st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=3),
    }
)
PLAIN = SCHEMA | {
    "fields": [field | {"type": "long"} if field["name"] == "time" else field for field in SCHEMA["fields"]]
}


def datum(record: dict[str, Any]) -> bytes:
    """Times that no calendar has, too: written as plain numbers."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(PLAIN), record)
    return out.getvalue()


def container(records: int, data: bytes) -> bytes:
    header = write_header({"avro.schema": b"{}", "avro.codec": b"null"}, bytes(16))
    return b"".join([header, write_long(records), write_long(len(data)), data, bytes(16)])


def split(content: bytes) -> list[bytes]:
    header = read_header(content)
    splitter = RecordSplitter(SCHEMA)
    return [found for block in read_blocks(content, header) for found in splitter.datums(content, header, block)]


@given(st.lists(RECORDS, min_size=1, max_size=8))
def test_any_records(records: list[dict[str, Any]]) -> None:
    datums = [datum(record) for record in records]
    assert split(container(len(datums), b"".join(datums))) == datums


def test_damage() -> None:
    good = datum({"x": 1, "time": 2, "many": ["a"]})
    found = []
    content = container(2, good + good[:-2])
    header = read_header(content)
    (block,) = read_blocks(content, header)
    with pytest.raises(ContainerError, match="beyond the end of the payload"):
        found += list(RecordSplitter(SCHEMA).datums(content, header, block))
    with pytest.raises(ContainerError, match="claims 1000000 records"):
        split(container(10**6, good))

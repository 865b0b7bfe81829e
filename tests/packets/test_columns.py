"""Arrow types of columns, and what no Arrow type can represent."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.columns import arrow_type, is_decimal
from broker_assets.packets.limits import ReadTooLarge
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.schema import Fixed, Primitive, resolve


def schema_of(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": "a", "type": kind}]}


def encoded(kind: Any, *values: Any) -> list[bytes]:
    parsed = fastavro.parse_schema(schema_of(kind))
    payloads = []
    for value in values:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed, {"a": value})
        payloads.append(stream.getvalue())
    return payloads


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("int", pa.int32()),
        ("bytes", pa.binary()),
        (["null", "string"], pa.string()),
        ({"type": "long", "logicalType": "timestamp-millis"}, pa.timestamp("ms", "UTC")),
        ({"type": "long", "logicalType": "local-timestamp-nanos"}, pa.timestamp("ns")),
        ({"type": "long", "logicalType": "of-somebody-else"}, pa.int64()),
        ({"type": "int", "logicalType": "date"}, pa.date32()),
        ({"type": "array", "items": ["null", "float"]}, pa.list_(pa.float32())),
        ({"type": "map", "values": "boolean"}, pa.map_(pa.string(), pa.bool_())),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, pa.string()),
        ({"type": "fixed", "name": "f", "size": 3}, pa.binary(3)),
        ({"type": "fixed", "name": "f", "size": 0}, pa.binary()),
        ({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}, pa.decimal128(10, 2)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 2}, pa.decimal256(50, 2)),
    ],
)
def test_types(kind: Any, expected: pa.DataType) -> None:
    assert arrow_type(resolve(kind)) == expected
    table = PacketReader(schema_of(kind)).read([]).tables[""]
    assert table.schema.field("a").type == expected, "an empty batch has the same types"


def test_a_record_is_not_one_column() -> None:
    with pytest.raises(TypeError, match="not one column"):
        arrow_type(resolve(schema_of("int")))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Primitive("bytes", "decimal", 4, 2), True),
        (Primitive("bytes", "decimal", 0, 0), False),
        (Primitive("bytes", "decimal", 4, 5), False),
        (Primitive("bytes", "decimal", 77, 0), False),
        (Primitive("string", "decimal", 4, 2), False),
        (Fixed("f", 4, "decimal", 4, 2), True),
    ],
)
def test_malformed_decimals_are_bytes(kind: Primitive | Fixed, expected: bool) -> None:
    assert is_decimal(kind) == expected


@given(st.lists(st.decimals(-99, 99, places=2), max_size=20))
def test_decimals(values: list[Decimal]) -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    read = PacketReader(schema_of(kind)).read(encoded(kind, *values))
    assert read.tables[""]["a"].to_pylist() == values
    assert not read.failures


def test_a_decimal_with_too_many_digits_costs_its_packet_only() -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    good = encoded(kind, Decimal("12.34"))[0]
    many = bytes([2 * 8]) + (10**9).to_bytes(8, "big", signed=True)
    read = PacketReader(schema_of(kind)).read([good, many, good])
    assert read.tables[""].to_pydict() == {"packet": [0, 2], "a": [Decimal("12.34")] * 2}
    assert [failure.packet for failure in read.failures] == [1]


def test_memory_for_rows_is_limited() -> None:
    reader = PacketReader(schema_of("long"), maximum_bytes=10_000)
    with pytest.raises(ReadTooLarge, match="exceed 10000 bytes"):
        reader.read([b"\x02"] * 5000)
    assert len(reader.read([b"\x02"] * 10).tables[""]) == 10


@given(st.lists(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=5), max_size=200))
def test_columns_grow_with_their_rows(values: list[list[int | None]]) -> None:
    kind = {"type": "array", "items": ["null", "int"]}
    assert PacketReader(schema_of(kind)).read(encoded(kind, *values)).tables[""]["a"].to_pylist() == values

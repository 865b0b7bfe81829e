"""The column-wise Avro encoder against fastavro."""

from __future__ import annotations

import io
import math
import struct
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.simulation.encoding import RecordWriter, array, encode_column, zigzag_varint

KINDS = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "float": st.floats(width=32, allow_nan=True),
    "double": st.floats(allow_nan=True),
    "boolean": st.booleans(),
    "string": st.text(max_size=12),
}
DTYPES = {"long": np.int64, "int": np.int32, "float": np.float32, "double": np.float64, "boolean": np.bool_}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A record schema, and records of it."""
    rows = draw(st.integers(1, 5))
    fields, columns = [], {}
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        nullable = draw(st.sampled_from(["no", "first", "second"]))
        values = draw(st.lists(KINDS[kind], min_size=rows, max_size=rows))
        if nullable != "no" and kind != "string":
            values = [None if draw(st.booleans()) else value for value in values]
        avro_type: Any = {"no": kind, "first": ["null", kind], "second": [kind, "null"]}[nullable]
        fields.append({"name": f"f{number}", "type": avro_type})
        columns[f"f{number}"] = values
    records = [{name: values[row] for name, values in columns.items()} for row in range(rows)]
    return {"type": "record", "name": "r", "fields": fields}, records


def as_column(values: list[Any], avro_type: Any) -> Any:
    """What the encoder takes for a list of values."""
    kind = avro_type if isinstance(avro_type, str) else next(one for one in avro_type if one != "null")
    if kind == "string":
        return values
    missing = [value is None for value in values]
    filled: np.ndarray = np.array([0 if value is None else value for value in values], dtype=DTYPES[kind])
    return np.ma.masked_array(filled, mask=missing) if any(missing) else filled


@settings(max_examples=150, deadline=None)
@given(tables())
def test_writes_what_fastavro_writes(table: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    schema, records = table
    parsed = fastavro.parse_schema(schema)
    expected = []
    for record in records:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed, record)
        expected.append(buffer.getvalue())
    columns = {
        field["name"]: as_column([record[field["name"]] for record in records], field["type"])
        for field in schema["fields"]
    }
    assert RecordWriter(schema).write(columns, len(records)) == expected


def test_fields_without_a_column_are_written_as_not_measured() -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "flux", "type": ["null", "float"]},
            {"name": "flag", "type": ["null", "boolean"]},
            {"name": "parent", "type": ["null", "long"]},
            {"name": "count", "type": "int"},
            {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    (encoded,) = RecordWriter(schema).write({"unknown": 1}, 1)
    record: Any = fastavro.schemaless_reader(io.BytesIO(encoded), fastavro.parse_schema(schema), None)
    assert math.isnan(record["flux"])
    assert record["flag"] is False
    assert record["parent"] is None
    assert record["count"] == 0


def test_null_where_the_schema_forbids_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be null"):
        encode_column("long", None, 3)


def test_arrays_of_encoded_records() -> None:
    assert array([]) == b"\x00"
    schema = fastavro.parse_schema({"type": "array", "items": "long"})
    encoded = array([zigzag_varint(value) for value in (1, -300, 2**40)])
    assert fastavro.schemaless_reader(io.BytesIO(encoded), schema, None) == [1, -300, 2**40]


def test_a_single_value_stands_for_all_rows() -> None:
    encoded, lengths = encode_column("double", 2.5, 3)
    assert encoded.tobytes() == struct.pack("<d", 2.5) * 3
    assert lengths.tolist() == [8, 8, 8]

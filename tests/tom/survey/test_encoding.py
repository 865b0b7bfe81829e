import io

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.survey.encoding import encode, varint
from broker_assets.tom.survey.fields import Field

FIELDS = [
    Field("a", "long", "a"), Field("b", "long?", "b"), Field("c", "double", "c"), Field("d", "float?", "d"),
    Field("e", "string", "e"), Field("f", "string?", "f"), Field("g", "float?", None), Field("h", "long", None),
]  # fmt: skip
TYPES = {
    "a": pa.int64(), "b": pa.int64(), "c": pa.float64(), "d": pa.float32(), "e": pa.string(), "f": pa.string(),
}  # fmt: skip
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "row",
        "fields": [
            {"name": field.name, "type": ["null", field.kind[:-1]] if field.kind.endswith("?") else field.kind}
            for field in FIELDS
        ],
    }
)
LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def written(row):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, row)
    return out.getvalue()


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "a": LONGS,
                "b": st.none() | LONGS,
                "c": st.floats(allow_nan=False),
                "d": st.none() | st.floats(width=32, allow_nan=False),
                "e": TEXTS,
                "f": st.none() | TEXTS,
            }
        ),
        max_size=6,
    )
)
def test_bytes_are_those_of_fastavro(rows):
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(TYPES.items())))
    encoded = encode(FIELDS, table)
    assert len(encoded) == len(rows)
    assert [encoded.row(number) for number in range(len(rows))] == [written(row | {"g": None, "h": 0}) for row in rows]


@given(LONGS)
def test_a_varint_is_that_of_fastavro(value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, {"type": "long"}, value)
    assert varint(value) == out.getvalue()


def test_a_null_is_refused_where_the_schema_has_none():
    table = pa.table({"a": pa.array([1, None], pa.int64())})
    with pytest.raises(ValueError, match="a of 1 rows is null"):
        encode(FIELDS[:1], table)


def test_columns_in_chunks_are_one_column():
    table = pa.concat_tables([pa.table({"e": ["i"]}), pa.table({"e": ["z", "i"]})])
    encoded = encode([Field("e", "string", "e")], table)
    assert encoded.data == b"\x02i\x02z\x02i"
    assert np.array_equal(encoded.offsets, [0, 2, 4, 6])

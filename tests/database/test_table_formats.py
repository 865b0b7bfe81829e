"""Tables in every form: other readers read back what was written."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from astropy.io.votable import parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.database.table_formats import MEDIA_TYPES, encode, field, votable_error

SCHEMA = pa.schema(
    [
        field("id", pa.int64(), ucd="meta.id;meta.main", description="a < b & c"),
        field("short", pa.int16()),
        field("flux", pa.float32(), unit="nJy"),
        field("time", pa.float64(), unit="d"),
        field("good", pa.bool_()),
        field("name", pa.string()),
    ]
)


def tables(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


ROWS = tables(
    [
        {"id": 2**62 + 1, "short": -3, "flux": 0.1, "time": 60000.123456789012, "good": True, "name": 'a<b>&"c"\x01é'},
        {"id": 1, "short": None, "flux": None, "time": float("nan"), "good": None, "name": None},
        {"id": -5, "short": 7, "flux": float("inf"), "time": -0.5, "good": False, "name": "ZTF18abcdefg"},
    ]
)


def written(table: pa.Table, form: str, **options: Any) -> bytes:
    return b"".join(encode(table.to_batches(max_chunksize=2), SCHEMA, form, **options))


def test_arrow_parquet_and_csv() -> None:
    found = pa.ipc.open_stream(written(ROWS, "arrow")).read_all()
    assert found["id"].to_pylist() == ROWS["id"].to_pylist()
    assert found.schema.field("flux").metadata == {b"unit": b"nJy"}
    parquet = pyarrow.parquet.read_table(io.BytesIO(written(ROWS, "parquet")))
    assert parquet["name"].to_pylist() == ROWS["name"].to_pylist()
    assert parquet.schema.field("id").metadata[b"ucd"] == b"meta.id;meta.main"
    lines = written(ROWS, "csv").decode().splitlines()
    assert lines[0] == '"id","short","flux","time","good","name"'
    assert lines[1].startswith("4611686018427387905,-3,0.1,60000.12345678901")


def test_a_votable_that_astropy_reads() -> None:
    content = written(ROWS, "votable", name="t", about={"note": "x & y"}, overflows=lambda: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        votable = parse(io.BytesIO(content), verify="exception")
    table = votable.get_first_table()
    assert votable.version == "1.4"
    assert table.array["id"].tolist() == [2**62 + 1, 1, -5]
    assert table.array["flux"][0] == np.float32(0.1)
    assert table.array["time"][0] == 60000.123456789012
    assert table.array["name"][0] == 'a<b>&"c"\ufffdé'
    assert table.get_field_by_id_or_name("id").description == "a < b & c"
    assert [(info.name, info.value) for info in votable.resources[0].infos][:2] == [
        ("QUERY_STATUS", "OK"),
        ("note", "x & y"),
    ]
    assert b'value="OVERFLOW"' in content
    output = io.StringIO()
    assert validate(io.BytesIO(content), output=output), output.getvalue()


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_an_empty_table(form: str) -> None:
    content = written(SCHEMA.empty_table(), form)
    assert content
    if form == "votable":
        assert len(parse(io.BytesIO(content)).get_first_table().array) == 0


@settings(max_examples=25)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.integers(-(2**63), 2**63 - 1),
                "flux": st.floats(width=32, allow_nan=False),
                "time": st.floats(allow_nan=False),
                "name": st.text(max_size=8),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_values_survive_a_votable(rows: list[dict[str, Any]]) -> None:
    table = parse(io.BytesIO(written(tables(rows), "votable"))).get_first_table().array
    assert table["id"].tolist() == [row["id"] for row in rows]
    assert table["time"].tolist() == [row["time"] for row in rows]
    assert table["flux"].tolist() == [np.float32(row["flux"]) for row in rows]


def test_a_form_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="votable"):
        written(ROWS, "xlsx")


def test_an_error_as_votable() -> None:
    info = parse(io.BytesIO(votable_error('no "such" <table>'))).resources[0].infos[0]
    assert (info.value, info.content) == ("ERROR", 'no "such" <table>')

"""Files of results."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.tom.queries.result_files import FORMATS, write
from broker_assets.tom.queries.running import Piece, QueryError

pytestmark = pytest.mark.database

QUERY = (
    "SELECT n::bigint AS number, n / 2.0 AS half, (n / 10.0)::real AS small, CASE WHEN n %% 2 = 0 THEN 'even; \"\"' END"
    " AS word, n = 1 AS first, timestamptz '2024-01-01+00' AS t, ARRAY[n] AS list, n AS number"
    " FROM generate_series(1, %(most)s) AS n"
)
Run = Callable[..., list[Piece]]


def written(run: Run, form: str, target: Path, most: int = 4500) -> bytes:
    seen: list[int] = []
    rows = write(run(QUERY, {"most": most}), target, form, most_bytes=10**8, read=seen.append)
    assert rows == most
    assert seen[-1] == most
    return target.read_bytes()


@pytest.mark.parametrize("most", [0, 4500])
def test_every_format_has_the_same_rows(run: Run, tmp_path: Path, most: int) -> None:
    content = {form: written(run, form, tmp_path / form, most) for form in FORMATS}
    table = pq.read_table(io.BytesIO(content["parquet"]))
    assert table.column_names == ["number", "half", "small", "word", "first", "t", "list", "number_2"]
    assert [str(kind) for kind in table.schema.types] == [
        "int64", "double", "float", "string", "bool", "timestamp[us, tz=UTC]", "list<element: int32>", "int32",
    ]  # fmt: skip
    assert (
        pa.ipc.open_stream(content["arrow"]).read_all().equals(table.cast(pa.ipc.open_stream(content["arrow"]).schema))
    )
    frame = pickle.loads(content["pandas"])  # noqa: S301 - written a moment ago
    assert len(frame) == most
    assert list(frame.columns) == table.column_names
    assert {str(kind) for kind in frame.dtypes} <= {"int64", "int32", "float64", "float32", "bool", "object"}
    again = pd.read_csv(io.BytesIO(content["csv"]), index_col=0)
    assert list(again.columns) == table.column_names
    assert list(again.index) == list(range(most))
    if most:
        assert content["csv"].splitlines()[:3] == [
            b",number,half,small,word,first,t,list,number_2",
            b"0,1,0.5,0.1,,True,2024-01-01 00:00:00+00:00,[1],1",
            b'1,2,1.0,0.2,"even; """"",False,2024-01-01 00:00:00+00:00,[2],2',
        ]
        assert frame.word[1] == again.word[1] == table["word"][1].as_py() == 'even; ""'
        assert frame.word[0] is None


def test_a_file_is_not_larger_than_it_may_be(run: Run, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="larger than 1000 bytes"):
        write(run(QUERY, {"most": 5000}), tmp_path / "x", "csv", most_bytes=1000, read=lambda rows: None)

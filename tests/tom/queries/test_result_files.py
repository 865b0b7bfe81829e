"""Files of results."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
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


def test_whole_numbers_stay_exact_beside_nulls(run: Run, tmp_path: Path) -> None:
    exact = 2**53 + 1
    query = (
        f"SELECT n, CASE WHEN n > 1 THEN {exact}::bigint + n END AS big, nullif(n, 1) AS small"
        " FROM generate_series(0, 3) AS n"
    )
    content = {}
    for form in FORMATS:
        write(run(query), tmp_path / form, form, most_bytes=10**8, read=lambda rows: None)
        content[form] = (tmp_path / form).read_bytes()
    big = [None, None, exact + 2, exact + 3]
    assert content["csv"].decode().splitlines()[1:] == ["0,0,,0", "1,1,,", f"2,2,{big[2]},2", f"3,3,{big[3]},3"]
    assert pq.read_table(io.BytesIO(content["parquet"]))["big"].to_pylist() == big
    frame = pickle.loads(content["pandas"])  # noqa: S301 - written a moment ago
    assert list(frame.big) == big
    assert str(frame.small.dtype) == "float64", "as in the original, where that loses nothing"
    assert [row[1] for row in np.load(io.BytesIO(content["numpy"]), allow_pickle=True)] == big


def test_values_without_a_type_of_their_own_are_text(run: Run, tmp_path: Path) -> None:
    query = (
        "SELECT ARRAY[1.5, 2] AS a, ARRAY[timestamptz '2024-01-01+00'] AS b, ROW(1, 'x') AS c,"
        " jsonb '{\"k\": [1]}' AS d, int4range(1, 3) AS e, '10.0.0.1'::inet AS f, interval '1 day' AS g,"
        " ARRAY[uuid '00000000-0000-0000-0000-000000000001'] AS h"
    )
    for form in FORMATS:
        assert write(run(query), tmp_path / form, form, most_bytes=10**8, read=lambda rows: None) == 1
    [row] = pq.read_table(tmp_path / "parquet").to_pylist()
    assert row == {
        "a": '["1.5", "2"]', "b": '["2024-01-01 00:00:00+00:00"]', "c": '["1", "x"]', "d": '{"k": [1]}',
        "e": "[1, 3)", "f": "10.0.0.1", "g": "1 day, 0:00:00", "h": '["00000000-0000-0000-0000-000000000001"]',
    }  # fmt: skip
    with pytest.raises(QueryError, match="column m has arrays of several dimensions"):
        write(run("SELECT ARRAY[[1, 2], [3, 4]] AS m"), tmp_path / "m", "csv", most_bytes=10**8, read=lambda rows: None)


def test_a_file_is_not_larger_than_it_may_be(run: Run, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="larger than 1000 bytes"):
        write(run(QUERY, {"most": 5000}), tmp_path / "x", "csv", most_bytes=1000, read=lambda rows: None)

"""Rows as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from broker_assets.tom.queries.json_rows import TooManyRowsError, rows_as_json
from broker_assets.tom.queries.running import Piece, QueryError

pytestmark = pytest.mark.database

VALUES = (
    "select 1.5::numeric n, 2.5::real r, 0.1::real r2, '{1,2}'::int[] a, null x, true tf, date '2024-01-01' d,"
    " '1 day'::interval i, timestamptz '2024-01-01 00:00:00.123456+00' t, 12345678901234::bigint b,"
    " timestamp '2024-01-01 01:02:03' s, time '01:02:03' h, '{\"a\": [1]}'::jsonb j, 'NaN'::float f,"
    " '0b9ff5e2-5b4b-4f2a-8a0c-1f1f1f1f1f1f'::uuid u, '(1,2)'::point p, 3201.2878::real flux, int4range(1, 3) g"
)


def answer(found: list[Piece]) -> list[dict[str, object]]:
    return json.loads(rows_as_json(found, most_rows=10_000, most_bytes=10**6))  # type: ignore[no-any-return]


def test_values_are_those_of_the_original(run: Callable[..., list[Piece]]) -> None:
    assert answer(run(VALUES)) == [
        {
            "n": "1.5", "r": 2.5, "r2": 0.1, "a": [1, 2], "x": None, "tf": True, "d": "2024-01-01",
            "i": "P1DT00H00M00S", "t": "2024-01-01T00:00:00.123Z", "b": 12345678901234, "s": "2024-01-01T01:02:03",
            "h": "01:02:03", "j": {"a": [1]}, "f": None, "u": "0b9ff5e2-5b4b-4f2a-8a0c-1f1f1f1f1f1f", "p": "(1,2)",
            "flux": 3201.2878, "g": "[1, 3)",
        }
    ]  # fmt: skip


def test_of_columns_of_one_name_the_last_counts(run: Callable[..., list[Piece]]) -> None:
    assert answer(run("select 1 as a, 2 as a")) == [{"a": 2}]
    assert answer(run("select 1 as a where false")) == []
    assert len(answer(run("select 1 as a from generate_series(1, 5000)"))) == 5000


def test_limits_are_named(run: Callable[..., list[Piece]]) -> None:
    found = run("select repeat('x', 100) from generate_series(1, 3000)")
    with pytest.raises(TooManyRowsError, match="more than 2999 rows: add a LIMIT"):
        rows_as_json(found, most_rows=2999, most_bytes=10**6)
    with pytest.raises(TooManyRowsError, match="more than 1000 bytes"):
        rows_as_json(found, most_rows=3000, most_bytes=1000)
    with pytest.raises(QueryError, match=r"^Object of type memoryview is not JSON serializable$"):
        answer(run("select '\\x00'::bytea"))

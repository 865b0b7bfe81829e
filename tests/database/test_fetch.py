"""Query results as Arrow tables through binary COPY; all types there and back are tested with `copy`."""

from __future__ import annotations

from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from broker_assets.database.copy import encode_blocks
from broker_assets.database.fetch import decode, fetch, fetch_grouped

TWO = sa.Table("two", sa.MetaData(), sa.Column("large", sa.BigInteger), sa.Column("words", sa.Text))


@pytest.mark.database
def test_results_of_any_length_arrive_whole(connection: psycopg.Connection[Any]) -> None:
    """Also one that the server sends in many pieces, with texts longer than a piece, and one without rows."""
    schema = pa.schema([("n", pa.int64()), ("words", pa.string()), ("odd", pa.bool_())])
    query = (
        "SELECT n, CASE WHEN n % 7 > 0 THEN repeat(chr(945 + n % 24), n * 40) END, n % 2 = 1 FROM generate_series({}) n"
    )
    for count in (0, 1, 600):
        statement = sql.SQL(query.replace("{}", "1, {}")).format(sql.Literal(count))
        found = fetch(
            connection, sql.SQL("SELECT n::bigint, words, odd FROM ({}) AS s (n, words, odd)").format(statement), schema
        )
        assert found.schema == schema
        assert found["n"].to_pylist() == list(range(1, count + 1))
        wanted = [chr(945 + n % 24) * (40 * n) if n % 7 else None for n in range(1, count + 1)]
        assert found["words"].to_pylist() == wanted
        assert found["odd"].to_pylist() == [n % 2 == 1 for n in range(1, count + 1)]


@pytest.mark.database
def test_a_query_that_fails_leaves_the_connection_usable(connection: psycopg.Connection[Any]) -> None:
    schema = pa.schema([("n", pa.int32())])
    with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
        fetch(connection, sql.SQL("SELECT 1 / (5 - n) FROM generate_series(1, 9) AS n"), schema)
    assert fetch(connection, sql.SQL("SELECT 3"), schema)["n"].to_pylist() == [3]


LISTS = st.lists(st.none() | st.lists(st.none() | st.integers(-(2**15), 2**15 - 1), max_size=4), max_size=12)


@pytest.mark.database
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LISTS)
def test_lists_arrive_with_their_nulls(
    connection: psycopg.Connection[Any], lists: list[list[int | None] | None]
) -> None:
    """No list, an empty one, and one with nulls are three things."""
    texts = [
        None if one is None else "{" + ",".join("NULL" if x is None else str(x) for x in one) + "}" for one in lists
    ]
    kinds = {"small": pa.int16(), "real": pa.float32(), "words": pa.string()}
    schema = pa.schema([*((name, pa.list_(kind)) for name, kind in kinds.items()), ("n", pa.int64())])
    query = sql.SQL(
        "SELECT one::smallint[], one::real[], one::text[], n FROM unnest({}::text[]) WITH ORDINALITY AS s (one, n)"
        " ORDER BY n"
    ).format(sql.Literal(texts))
    found = fetch(connection, query, schema)
    assert found.schema == schema
    assert found["small"].to_pylist() == lists
    assert found["real"].to_pylist() == lists
    words = [one if one is None else [None if x is None else str(x) for x in one] for one in lists]
    assert found["words"].to_pylist() == words

    # Rows that share a value, sent together, are the same rows.
    flat = pa.schema([("small", pa.int16()), ("n", pa.int64()), ("words", pa.string())])
    rows = sql.SQL(
        "SELECT unnest(small) AS small, n, unnest(words) AS words FROM ({}) AS listed (small, real, words, n)"
    )
    wanted = fetch(connection, rows.format(query), flat)
    together = fetch_grouped(connection, rows.format(query), flat, by="n")
    assert together.schema == flat
    assert together.sort_by("n").to_pylist() == wanted.sort_by("n").to_pylist()


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="not a binary COPY stream"):
        decode(b"large\twords\n1\ta\n", pa.schema([("large", pa.int64())]))


def test_a_stream_cut_short_is_told() -> None:
    whole = b"".join(encode_blocks(pa.table({"large": [1, 2], "words": ["a", "b"]}), TWO))
    schema = pa.schema([("large", pa.int64()), ("words", pa.string())])
    assert decode(whole, schema).to_pydict() == {"large": [1, 2], "words": ["a", "b"]}
    for length in range(len(whole) - 1):
        with pytest.raises(ValueError, match="stream"):
            decode(whole[:length], schema)

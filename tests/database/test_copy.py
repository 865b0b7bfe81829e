"""Binary COPY against a real PostgreSQL: every type, nulls, slices and chunks, in and out."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from broker_assets.database import engine
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.copy import BLOCK_ROWS, encode_blocks, load
from broker_assets.database.fetch import fetch

pytestmark = pytest.mark.database

KINDS = sa.Table(
    "copy_kinds",
    sa.MetaData(),
    sa.Column("small", sa.SmallInteger),
    sa.Column("middle", sa.Integer),
    sa.Column("large", sa.BigInteger),
    sa.Column("single", sa.REAL),
    sa.Column("twofold", sa.DOUBLE_PRECISION),
    sa.Column("flag", sa.Boolean),
    sa.Column("words", sa.Text),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("day", sa.Date),
    sa.Column("moment", sa.DateTime(timezone=True)),
)
SCHEMA = arrow_schema(KINDS)

instants = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30), timezones=st.just(datetime.UTC))
rows = st.fixed_dictionaries(
    {
        "small": st.none() | st.integers(-(2**15), 2**15 - 1),
        "middle": st.none() | st.integers(-(2**31), 2**31 - 1),
        "large": st.none() | st.integers(-(2**63), 2**63 - 1),
        "single": st.none() | st.floats(width=32),
        "twofold": st.none() | st.floats(),
        "flag": st.none() | st.booleans(),
        "words": st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        "raw": st.none() | st.binary(),
        "day": st.none() | st.dates(),
        "moment": st.none() | instants,
    }
)


@pytest.fixture(scope="module")
def shared_connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url, autocommit=True) as opened:
        opened.execute(str(sa.schema.CreateTable(KINDS).compile(dialect=engine.engine(module_database_url).dialect)))
        yield opened


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return type(one) is type(other) and one == other


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(rows, max_size=30), cut=st.integers(0, 5), chunk=st.integers(1, 30))
def test_values_arrive_and_come_back(
    shared_connection: psycopg.Connection[Any], values: list[dict[str, Any]], cut: int, chunk: int
) -> None:
    table = pa.Table.from_pylist(values, schema=SCHEMA).slice(cut)
    table = pa.Table.from_batches(table.to_batches(max_chunksize=chunk), schema=SCHEMA)
    with shared_connection.transaction(force_rollback=True), shared_connection.cursor(binary=True) as cursor:
        assert load(cursor, KINDS, table) == table.num_rows
        names = sql.SQL(", ").join(map(sql.Identifier, SCHEMA.names))
        query = sql.SQL("SELECT {} FROM copy_kinds").format(names)
        found = cursor.execute(query).fetchall()
        returned = fetch(shared_connection, query, SCHEMA)
    expected = [tuple(row[name] for name in SCHEMA.names) for row in values[cut:]]
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert all(_equal(one, other) for one, other in zip(row, wanted, strict=True)), (row, wanted)
    for row, wanted in zip(returned.to_pylist(), expected, strict=True):
        assert all(_equal(row[name], other) for name, other in zip(SCHEMA.names, wanted, strict=True)), (row, wanted)


def test_many_blocks_arrive_whole(shared_connection: psycopg.Connection[Any]) -> None:
    count = 3 * BLOCK_ROWS + 7
    table = pa.table({"large": range(count), "words": ["é" * (i % 300) for i in range(count)]})
    with shared_connection.transaction(force_rollback=True), shared_connection.cursor() as cursor:
        load(cursor, KINDS, table)
        cursor.execute("SELECT large, words FROM copy_kinds ORDER BY large")
        assert cursor.fetchall() == list(zip(table["large"].to_pylist(), table["words"].to_pylist(), strict=True))


def test_columns_without_values_get_their_default(shared_connection: psycopg.Connection[Any]) -> None:
    with shared_connection.transaction(force_rollback=True), shared_connection.cursor() as cursor:
        cursor.execute("ALTER TABLE copy_kinds ALTER COLUMN words SET DEFAULT 'default'")
        load(cursor, KINDS, pa.table({"large": [1], "words": pa.nulls(1, pa.string())}))
        load(cursor, KINDS, pa.table({"large": pa.nulls(2, pa.int64())}))
        assert cursor.execute("SELECT large, words FROM copy_kinds").fetchall() == [
            (1, "default"),
            (None, "default"),
            (None, "default"),
        ]


def encode(rows: pa.Table, table: sa.Table) -> bytes:
    return b"".join(encode_blocks(rows, table))


def test_types_are_cast_where_nothing_is_lost() -> None:
    narrow = encode(pa.table({"middle": pa.array([7], pa.int64())}), KINDS)
    assert narrow == encode(pa.table({"middle": pa.array([7], pa.int32())}), KINDS)
    words = pa.table({"words": pa.array(["g", None, "g"]).dictionary_encode()})
    assert encode(words, KINDS) == encode(pa.table({"words": ["g", None, "g"]}), KINDS)


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'middle'"):
        encode(pa.table({"middle": [2**40]}), KINDS)
    with pytest.raises(KeyError, match="unheard_of"):
        encode(pa.table({"unheard_of": [1]}), KINDS)


def test_what_postgresql_can_not_hold_does_not_stop_a_batch(shared_connection: psycopg.Connection[Any]) -> None:
    extremes = [-(2**63), -(2**62), 0, 2**62, 2**63 - 1]
    days = [-(2**31), -2_500_000, 0, 2**31 - 1, 0]
    table = pa.table(
        {
            "large": range(5),
            "words": ["a\x00b", "\x00", "", "c", None],
            "moment": pa.array(extremes, pa.timestamp("us", tz="UTC")),
            "day": pa.array(days, pa.int32()).cast(pa.date32()),
        }
    )
    with shared_connection.transaction(force_rollback=True), shared_connection.cursor() as cursor:
        load(cursor, KINDS, table)
        cursor.execute("SELECT words, moment IS NULL, day IS NULL FROM copy_kinds ORDER BY large")
        assert cursor.fetchall() == [
            ("a\ufffdb", True, True),
            ("\ufffd", True, True),
            ("", False, False),
            ("c", False, True),
            (None, False, False),
        ]


def test_arrays_of_integers(shared_connection: psycopg.Connection[Any]) -> None:
    arrays = sa.Table("copy_arrays", sa.MetaData(), sa.Column("ids", sa.ARRAY(sa.BigInteger)))
    values = [[1], None, [], [-(2**63), 2**63 - 1, 0, -1, 2**32], [2**31, -(2**31) - 1]] * 700
    rows = pa.table({"ids": pa.array(values, pa.list_(pa.int64()))}).slice(1)
    with shared_connection.transaction(force_rollback=True), shared_connection.cursor() as cursor:
        cursor.execute("CREATE TABLE copy_arrays (number bigint GENERATED ALWAYS AS IDENTITY, ids bigint[])")
        load(cursor, arrays, rows)
        stored = [row[0] for row in cursor.execute("SELECT ids FROM copy_arrays ORDER BY number").fetchall()]
    assert stored == values[1:]


def test_an_array_with_a_null_is_refused() -> None:
    arrays = sa.Table("copy_arrays", sa.MetaData(), sa.Column("ids", sa.ARRAY(sa.BigInteger)))
    with pytest.raises(ValueError, match="null element"):
        encode(pa.table({"ids": pa.array([[1, None]], pa.list_(pa.int64()))}), arrays)

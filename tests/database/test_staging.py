"""Rows into tables that have some of them: what is written, updated and counted is what a dictionary says."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.database import engine
from broker_assets.database.staging import Conflict, Inserted, append, by_night, insert, sortable, unique_sorted

NIGHTS = [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]
TABLE = sa.Table(
    "staged",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("night", sa.Date),
    sa.Column("value", sa.DOUBLE_PRECISION),
    sa.Column("seen", sa.Integer),
    sa.Column("file", sa.Integer),
)
SCHEMA = pa.schema(
    [("id", pa.int64()), ("night", pa.date32()), ("value", pa.float64()), ("seen", pa.int32()), ("file", pa.int32())]
)

rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(1, 8),
            "night": st.sampled_from(NIGHTS),
            "value": st.none() | st.floats(-5, 5).map(lambda value: round(value, 1)),
            "seen": st.integers(0, 9),
            "file": st.none() | st.integers(1, 3),
        }
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def staged(module_database_url: str) -> Any:
    with engine.connect(module_database_url, autocommit=True) as opened:
        opened.execute(str(sa.schema.CreateTable(TABLE).compile(dialect=engine.engine(module_database_url).dialect)))
        yield opened


def batch(listed: list[dict[str, Any]]) -> pa.Table:
    return unique_sorted(pa.Table.from_pylist(listed, schema=SCHEMA), ["id"])


def stored(connection: psycopg.Connection[Any]) -> dict[int, dict[str, Any]]:
    found = connection.execute("SELECT id, night, value, seen, file FROM staged").fetchall()
    return {row[0]: dict(zip(SCHEMA.names, row, strict=True)) for row in found}


def nights_of(listed: list[dict[str, Any]]) -> dict[datetime.date, int]:
    return {night: sum(row["night"] == night for row in listed) for night in {row["night"] for row in listed}}


property_test = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.database
@property_test
@given(rows, rows)
def test_known_rows_stay(staged: Any, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    with staged.transaction(force_rollback=True), staged.cursor() as cursor:
        expected: dict[int, dict[str, Any]] = {}
        for listed in (first, second):
            new = [row for row in batch(listed).to_pylist() if row["id"] not in expected]
            found = insert(cursor, TABLE, batch(listed), Conflict.ignore(["id"]), mark="file", keys=["id", "seen"])
            expected |= {row["id"]: row for row in new}
            assert found.rows == nights_of(new)
            assert found.total == len(new)
            with_file = [row for row in new if row["file"] is not None]
            assert {night: count for night, count in found.marked.items() if count} == nights_of(with_file)
            assert sorted(map(tuple, found.keys.tolist())) == [(row["id"], row["seen"]) for row in with_file]
        assert stored(staged) == expected


@pytest.mark.database
@property_test
@given(rows, rows, st.booleans())
def test_newer_rows_win(staged: Any, first: list[dict[str, Any]], second: list[dict[str, Any]], equal: bool) -> None:
    conflict = Conflict.newest(TABLE, "id", ["night", "value", "seen"], by="value", greatest=["seen"], equal=equal)
    with staged.transaction(force_rollback=True), staged.cursor() as cursor:
        insert(cursor, TABLE, batch(first), conflict)
        expected = {row["id"]: row for row in batch(first).to_pylist()}
        changed = []
        for row in batch(second).to_pylist():
            known = expected.get(row["id"])
            if known is None:
                expected[row["id"]] = row
            elif known["value"] is None or (
                row["value"] is not None
                and (row["value"] >= known["value"] if equal else row["value"] > known["value"])
            ):
                kept = {"seen": max(row["seen"], known["seen"]), "file": known["file"]}
                expected[row["id"]] = row | kept
            else:
                continue
            changed.append(row)
        found = insert(cursor, TABLE, batch(second), conflict)
        assert found.rows == nights_of(changed)
        assert stored(staged) == expected


@pytest.mark.database
def test_rows_straight_into_the_table(staged: Any) -> None:
    listed: list[dict[str, Any]] = [
        {"id": number, "night": NIGHTS[0], "value": 0.0, "seen": 0, "file": None if number == 1 else 5}
        for number in (1, 2)
    ]
    other = [row | {"id": row["id"] + 1} for row in listed]
    with staged.transaction(force_rollback=True), staged.cursor() as cursor:
        written = append(cursor, TABLE, batch(listed), mark="file", keys=["id", "seen"])
        assert (written.rows, written.marked, written.keys.tolist()) == ({NIGHTS[0]: 2}, {NIGHTS[0]: 1}, [[2, 0]])
        with pytest.raises(psycopg.errors.UniqueViolation), staged.transaction():
            append(cursor, TABLE, batch(other))
        assert sorted(stored(staged)) == [1, 2]
        assert append(cursor, TABLE, batch([])).total == 0


def test_counts_and_keys_of_several_tables_are_added() -> None:
    one = Inserted({NIGHTS[0]: 2}, {NIGHTS[0]: 1}, np.array([[1, 2]]))
    both = one + Inserted({NIGHTS[0]: 1, NIGHTS[1]: 4}, {}) + Inserted({}, {}, np.array([[3, 4]]))
    assert (both.rows, both.marked) == ({NIGHTS[0]: 3, NIGHTS[1]: 4}, {NIGHTS[0]: 1})
    assert both.keys.tolist() == [[1, 2], [3, 4]]
    assert by_night(batch([])) == {}


@given(rows)
def test_the_first_of_equal_keys_is_kept(listed: list[dict[str, Any]]) -> None:
    wanted: dict[int, dict[str, Any]] = {}
    for row in listed:
        wanted.setdefault(row["id"], row)
    assert batch(listed).to_pylist() == [wanted[key] for key in sorted(wanted)]


def test_texts_and_floats_are_ordered_as_in_postgresql() -> None:
    values = pa.chunked_array([[2.0, float("nan"), -1.0, 2.0]])
    ranks = sortable(values)
    assert np.argsort(ranks, kind="stable").tolist() == [2, 0, 3, 1]
    assert ranks[0] == ranks[3]
    assert unique_sorted(pa.table({"k": ["b", "a", "b"]}), ["k"])["k"].to_pylist() == ["a", "b"]

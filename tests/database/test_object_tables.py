"""Objects as tables under their documented names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.database.object_tables import (
    UnknownColumnError,
    documented_row,
    object_batches,
    object_columns,
    object_schema,
    object_table,
)

NAMES = object_columns(["ra", "decl", "nDiaSources", "lastDiaSourceMjdTai"])


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "INSERT INTO objects (diaobjectid, ra, decl, survey, ndiasources, lastdiasourcemjdtai)"
            " SELECT n, n / 2.0, -n / 4.0, 1 + n % 2, n % 5, 60000 + n FROM generate_series(1, 40) AS n"
        )
        yield opened


def test_columns_by_any_case() -> None:
    assert object_columns(["RA", "ra", "nDiaSources"]) == ("diaobjectid", "survey", "ra", "ndiasources")
    with pytest.raises(UnknownColumnError, match="nonsense"):
        object_columns(["nonsense"])
    assert object_columns(["nonsense", "ra"], lenient=True)[-1] == "ra"


def test_fields_say_their_units() -> None:
    schema = object_schema(NAMES)
    assert schema.field("ra").metadata[b"unit"] == b"deg"
    assert schema.field("diaObjectId").metadata[b"ucd"] == b"meta.id;meta.main"


@pytest.mark.database
def test_in_the_order_given(connection: psycopg.Connection[Any]) -> None:
    found = object_table(connection, NAMES, [7, 99, 3])
    assert found["diaObjectId"].to_pylist() == [7, 3]
    assert found["survey"].to_pylist() == ["ztf", "ztf"]
    assert object_table(connection, NAMES, []).num_rows == 0


@pytest.mark.database
def test_all_of_them_up_to_a_limit(connection: psycopg.Connection[Any]) -> None:
    @contextmanager
    def use() -> Iterator[psycopg.Connection[Any]]:
        yield connection

    def identifiers(**options: Any) -> list[int]:
        return [one for batch in object_batches(use, NAMES, **options) for one in batch.column(0).to_pylist()]

    assert identifiers(limit=1000) == list(range(1, 41))
    assert identifiers(limit=7) == list(range(1, 8))
    assert identifiers(limit=99, survey=1, since=60030.0, least=2) == [
        n for n in range(30, 41) if n % 2 == 0 and n % 5 > 1
    ]


def test_a_row_under_documented_names() -> None:
    assert documented_row({"diaobjectid": 1, "survey": 2, "other": 3}) == {
        "diaObjectId": 1,
        "survey": "ztf",
        "other": 3,
    }

"""Arrays of numbers reach PostgreSQL as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from broker_assets.database.number_arrays import array_text, distinct

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", np.array([0, -1, 2**63 - 1, -(2**63)])),
        ("bigint", np.zeros(0, np.int64)),
        ("float8", np.array([0.1, 1 / 3, 61042.123456789012, 5e-324, 1.7e308, np.inf, -np.inf, -0.0])),
        ("float8", np.array([np.nan])),
    ],
    ids=["integers", "none", "floats", "not a number"],
)
def test_every_number_comes_back(connection: psycopg.Connection[Any], kind: str, values: Any) -> None:
    as_parameter = sql.SQL("SELECT %s::{}[]").format(sql.SQL(kind))  # type: ignore[arg-type]
    as_literal = sql.SQL("SELECT {}::{}[]").format(sql.Literal(array_text(values)), sql.SQL(kind))  # type: ignore[arg-type]
    for row in (connection.execute(as_parameter, [array_text(values)]), connection.execute(as_literal)):
        [(found,)] = row.fetchall()
        assert np.array(found, values.dtype).tobytes() == values.tobytes()


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_each_number_once_as_numpy_gives_them(values: list[int]) -> None:
    for kind in (np.int64, np.uint64):
        numbers = np.array(values, np.int64).astype(kind)
        assert distinct(numbers).tolist() == np.unique(numbers).tolist()
        assert distinct(numbers).dtype == kind

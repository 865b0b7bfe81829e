"""Partitions appear when they are needed, whoever asks, and nobody waits for them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database import engine, partitions
from broker_assets.database.tables import PARTITIONED, diasources

pytestmark = pytest.mark.database


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.floats(40_000, 90_000), max_size=20))
def test_each_time_lies_in_its_month(times: list[float]) -> None:
    found = partitions.months(times)
    for mjd in times:
        if partitions.month_start(partitions.FIRST_MONTH) <= mjd < partitions.month_start(partitions.LAST_MONTH):
            inside = [m for m in found if partitions.month_start(m) <= mjd < partitions.month_start(m + 1)]
            assert len(inside) == 1
    assert len(found) <= len(times)


def test_ensure_makes_what_is_missing_once(connection: psycopg.Connection[Any]) -> None:
    made = partitions.ensure(connection, [61041.2, 61041.9, np.nan, np.inf, 1.0])
    assert made == ["diaforcedsources_2026_01", "dianondetectionlimits_2026_01", "diasources_2026_01"]
    assert partitions.ensure(connection, [61041.2]) == []
    existing = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'diasources'::regclass ORDER BY 1"
    )
    assert existing.fetchall() == [("diasources_2026_01",), ("diasources_default",)]


def test_indexes_of_partitions_belong_to_those_of_the_table(connection: psycopg.Connection[Any]) -> None:
    partitions.ensure(connection, [61041.2])
    attached = connection.execute(
        "SELECT count(*) FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid"
        " WHERE indrelid = 'diasources_2026_01'::regclass AND indisvalid"
    ).fetchone()
    assert attached == (len(diasources.indexes),)


def test_rows_that_came_before_their_partition_are_moved(connection: psycopg.Connection[Any]) -> None:
    for mjd in (61041.2, 61080.0):
        connection.execute(
            "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey) VALUES (1, %s, 2, 1)", (mjd,)
        )
    connection.commit()
    partitions.ensure(connection, [61041.2])
    found = connection.execute("SELECT tableoid::regclass::text, midpointmjdtai FROM diasources ORDER BY 2").fetchall()
    assert found == [("diasources_2026_01", 61041.2), ("diasources_default", 61080.0)]


def test_many_may_ask_at_once(database_url: str) -> None:
    def ask(_: int) -> list[str]:
        with engine.connect(database_url) as connection:
            return partitions.ensure(connection, [61041.2, 61080.0])

    with ThreadPoolExecutor(4) as threads:
        made = sorted(name for names in threads.map(ask, range(4)) for name in names)
    assert len(made) == len(set(made)) == 2 * len(PARTITIONED)


def test_a_long_query_puts_it_off_and_others_go_on(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    with engine.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM diasources")
        begin = time.monotonic()
        assert "diasources_2026_01" not in partitions.ensure(connection, [61041.2])
        assert time.monotonic() - begin < 5
        connection.execute(
            "INSERT INTO diasources (diaobjectid, midpointmjdtai, diasourceid, survey) VALUES (1, 61041.2, 2, 1)"
        )
        connection.commit()
        reader.rollback()
    assert partitions.ensure(connection, [61041.2]) == ["diasources_2026_01"]
    assert connection.execute("SELECT tableoid::regclass::text FROM diasources").fetchall() == [("diasources_2026_01",)]


def test_it_is_refused_within_a_transaction(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT 1")
    with pytest.raises(RuntimeError, match="commit first"):
        partitions.ensure(connection, [61041.2])

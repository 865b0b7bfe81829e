"""Which daily products could be there and are not."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.telemetry.archive.due_products import ANCILLARY, PICTURES, makeable

pytestmark = pytest.mark.database

NOW = datetime.datetime(2024, 5, 20, 12, tzinfo=datetime.UTC)
WHOLE: dict[str, Any] = {"starts": "2024-05-18T00:00:02.0", "ends": "2024-05-18T23:57:00.0"}


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, NOW)


@pytest.fixture
def connection(records: Records) -> Iterator[psycopg.Connection[Any]]:
    with connect(records.database.url, autocommit=True) as opened:
        yield opened


def found(connection: Any, flown: str | None = None) -> list[tuple[str, str, str]]:
    """Asset, day and why, of what can be made."""
    until = None if flown is None else datetime.date.fromisoformat(flown)
    return [
        (item.asset, item.day.isoformat(), item.state.rpartition("-")[2]) for item in makeable(connection, NOW, until)
    ]


def test_a_picture_waits_for_a_whole_or_an_old_day(records: Records, connection: Any) -> None:
    records.product("L1", "2024-05-18", **WHOLE)
    records.product("L1", "2024-05-19", starts="2024-05-19T00:00:00", ends="2024-05-19T20:00:00")
    records.product("L1", "2024-04-01", starts="2024-04-01T00:00:00", ends="2024-04-01T20:00:00")
    records.product("L0", "2024-05-17", **WHOLE)
    assert found(connection) == [(PICTURES, "2024-04-01", "old"), (PICTURES, "2024-05-18", "whole")]


def test_a_picture_that_is_there_is_not_due(records: Records, connection: Any) -> None:
    records.product("L1", "2024-05-18", **WHOLE)
    picture = records.product("LL03", "2024-05-18", name="solo_LL03_stix-ql-lightcurve_20240518.svg")
    assert found(connection) == []
    records.execute(f"UPDATE product_file SET superseded_at = now() WHERE name = '{picture}'")
    assert found(connection) == [(PICTURES, "2024-05-18", "whole")]


def test_a_new_content_is_another_state(records: Records, connection: Any) -> None:
    """So that a day that was asked for in vain is asked for again once its parent changed."""
    name = records.product("L1", "2024-05-18", **WHOLE)
    (before,) = makeable(connection, NOW, None)
    records.execute(f"UPDATE product_file SET digest = repeat('f', 64) WHERE name = '{name}'")
    (after,) = makeable(connection, NOW, None)
    assert (before.day, before.parent) == (after.day, after.parent) == (datetime.date(2024, 5, 18), name)
    assert before.state != after.state


def test_the_highest_version_of_a_day_is_the_parent(records: Records, connection: Any) -> None:
    records.product("L1", "2024-05-18", **WHOLE)
    newer = records.product("L1", "2024-05-18", name="solo_L1_stix-ql-lightcurve_20240518_V03.fits", version=3, **WHOLE)
    (only,) = makeable(connection, NOW, None)
    assert only.parent == newer
    records.execute(f"UPDATE product_file SET rows = 0 WHERE name = '{newer}'")
    assert makeable(connection, NOW, None) == [], "a file without rows stays the newest"


@pytest.mark.parametrize(
    ("flown", "days"),
    [
        (None, []),
        ("2024-05-12", []),
        ("2024-05-13", ["2024-05-11"]),
        ("2024-05-14", ["2024-05-11", "2024-05-12"]),
    ],
)
def test_ancillary_products_wait_for_flown_kernels(
    records: Records, connection: Any, flown: str | None, days: list[str]
) -> None:
    for day in ("2024-05-11", "2024-05-12"):
        records.product("L1", day, kind="hk-maxi", family="housekeeping")
    assert found(connection, flown) == [(ANCILLARY, day, "flown") for day in days]

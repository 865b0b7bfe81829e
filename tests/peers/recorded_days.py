"""Days of telemetry in the tables, and a Dagster instance."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
)
from telemetry_records import Records

NOON = datetime.datetime(2024, 5, 20, 12, 10, tzinfo=datetime.UTC)


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, NOON)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    # A schedule needs a reference to its instance, which an instance in memory does not have.
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as opened:
        yield opened

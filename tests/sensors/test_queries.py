"""When a run for queued SQL is started."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import RunRequest
from followed_lists import tick
from platform_in_process import platform, survey

from broker_assets.access import accounts
from broker_assets.database.engine import connect
from broker_assets.tom.queries import queue
from broker_assets.tom.queries.statements import statements_of

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database


def test_a_run_is_started_when_sql_waits(platform: Any) -> None:
    assert tick(platform, "queries").skip_message == "no SQL waits"
    with connect(platform.database.url, autocommit=True) as connection:
        accounts.add(connection, "anna", None)
        queue.submit(connection, 1, statements_of("SELECT 1", None), "csv")
    asked = tick(platform, "queries")
    assert isinstance(asked, RunRequest)
    assert asked.run_key == "queries/"
    assert asked.tags["dagster/priority"] == "1"

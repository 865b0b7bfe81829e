"""When new objects get their root objects."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import RunRequest
from followed_lists import tick
from platform_in_process import platform, survey

from broker_assets.database.engine import connect

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database


def test_a_run_is_started_when_a_batch_was_stored(platform: Any) -> None:
    first = tick(platform, "roots")
    with connect(platform.database.url, autocommit=True) as connection:
        newest = connection.execute("SELECT max(ingestid) FROM ingest_batch").fetchone()
    assert newest is not None
    if newest == (None,):
        assert first.skip_message == "no batch was stored since"
        return
    assert isinstance(first, RunRequest)
    assert first.run_key == f"roots/{newest[0]}"
    assert first.tags["dagster/priority"] == "1"

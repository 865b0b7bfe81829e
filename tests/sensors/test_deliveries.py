"""When a run that sends is started."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import RunRequest
from followed_lists import tick
from platform_in_process import platform, survey
from queued_messages import add_sink, queue

from broker_assets.database.engine import connect

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database


def test_a_run_is_started_for_what_nobody_sends(platform: Any) -> None:
    assert tick(platform, "deliveries").skip_message == "no messages are due"
    with connect(platform.database.url, autocommit=True) as connection:
        add_sink(connection)
        queue(connection, [1])
        assert tick(platform, "deliveries").skip_message == "no messages are due", "the run that queued it may send it"
        connection.execute("UPDATE deliveries SET created_at = now() - interval '1 minute'")
        connection.execute("UPDATE filter_sinks SET due_at = now() - interval '1 minute'")
    asked = tick(platform, "deliveries")
    assert isinstance(asked, RunRequest)
    assert asked.job_name == "deliver"

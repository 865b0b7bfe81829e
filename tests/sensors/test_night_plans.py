"""The night that begins is planned every day, before it is dark anywhere."""

from __future__ import annotations

import datetime

from dagster import RunRequest, build_schedule_context, define_asset_job

from broker_assets.partitions import nights
from broker_assets.sensors.night_plans import build_night_plans_schedule


def test_the_coming_night_is_planned() -> None:
    schedule = build_night_plans_schedule(define_asset_job("plan_nights", partitions_def=nights))
    at = datetime.datetime(2026, 11, 30, 16, 5, tzinfo=datetime.UTC)
    request = schedule(build_schedule_context(scheduled_execution_time=at))
    assert isinstance(request, RunRequest)
    assert (request.partition_key, request.run_key) == ("2026-11-30", "2026-11-30")
    assert "2026-11-30" in nights.get_partition_keys(current_time=at)

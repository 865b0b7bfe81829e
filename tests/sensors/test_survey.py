"""The schedule of the simulated survey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DefaultScheduleStatus, SkipReason, build_schedule_context

from broker_assets.build import tom
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.survey_settings import SurveySettings

pytestmark = pytest.mark.database


def tick(url: str, instance: DagsterInstance, nights: int = 2):
    (schedule,) = tom.definitions(Settings(survey=SurveySettings(nights_a_day=nights))).schedules or ()
    assert schedule.default_status is DefaultScheduleStatus.STOPPED
    resolved: Any = schedule
    return resolved(build_schedule_context(instance=instance, resources={"database": Database(url)}))


@pytest.mark.shared
def test_the_next_nights_that_were_not_sent_are_asked_for(survey_url: str, tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        requests = tick(survey_url, instance)
        assert [request.partition_key for request in requests] == ["2023-11-29", "2023-11-30"]
        assert instance.get_dynamic_partitions("simulated_nights") == ["2023-11-29", "2023-11-30"]


def test_without_alerts_and_without_a_database_there_is_a_reason(database_url: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        skipped = tick(database_url, instance)
        assert isinstance(skipped, SkipReason)
        assert skipped.skip_message == "every alert of the survey was sent"
        away = tick("postgresql+psycopg://nobody@127.0.0.1:1/none", instance)
        assert isinstance(away, SkipReason)
        assert "cannot be read" in str(away.skip_message)

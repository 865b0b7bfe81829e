"""The schedule of the simulated survey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, SkipReason, build_schedule_context

from broker_assets.build import tom
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.settings.surveys import SurveySettings

pytestmark = pytest.mark.database


def schedule_of(settings: Settings) -> Any:
    return next(one for one in tom.definitions(settings).schedules or () if one.name == "survey_night")


def tick(url: str, instance: DagsterInstance, nights: int = 2):
    resolved = schedule_of(Settings(survey=SurveySettings(nights_a_day=nights)))
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


def test_it_is_off_unless_it_is_set(database_url: str) -> None:
    assert SurveySettings().nights_a_day == 0
    with DagsterInstance.ephemeral() as instance:
        skipped = tick(database_url, instance, 0)
    assert isinstance(skipped, SkipReason)
    assert "survey.nights_a_day" in str(skipped.skip_message)


def test_files_of_simulations_are_reported_when_they_change(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "SIMULATION").mkdir()
    settings = Settings(survey=SurveySettings(simulations=[tmp_path / "SIMULATION", tmp_path / "nowhere"]))
    resolved = schedule_of(settings)
    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def reported() -> int:
            resolved(build_schedule_context(instance=instance, resources={"database": Database(database_url)}))
            return len(instance.fetch_materializations(AssetKey("simulation_files"), limit=10).records)

        assert [reported(), reported()] == [1, 1]
        (tmp_path / "SIMULATION" / "one_HEAD.FITS").write_bytes(b"x")
        assert reported() == 2

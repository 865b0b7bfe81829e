"""The demonstration applies only where the user has no telemetry."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import pytest

from broker_assets.local.demo_settings import (
    TARGET,
    DemoFolders,
    adopt,
    environment,
    is_configured,
    remember_beginning,
    with_demonstration,
)
from broker_assets.settings import PublicationTarget, Settings, TelemetrySettings, load_settings
from broker_assets.settings.partitions import PartitionSettings


def written(tmp_path: Path) -> Settings:
    """A home in which the demonstration has been written, and settings with a target of the user."""
    settings = Settings(home=tmp_path)
    DemoFolders.of(settings).mission.mkdir(parents=True)
    settings.publication.targets.append(PublicationTarget(name="soar", url="/soar"))
    return settings


def test_nothing_changes_before_it_is_written_or_with_telemetry_of_the_user(tmp_path: Path) -> None:
    bare = Settings(home=tmp_path)
    assert with_demonstration(bare) is bare
    assert environment(bare) == {}
    own = written(tmp_path).model_copy(update={"telemetry": TelemetrySettings(incoming=["/tm"])})
    assert is_configured(own)
    assert with_demonstration(own) is own


def test_the_targets_of_the_user_receive_nothing_of_it(tmp_path: Path) -> None:
    changed = with_demonstration(written(tmp_path))
    assert [target.name for target in changed.publication.targets] == [TARGET]
    folders = DemoFolders.of(changed)
    assert changed.telemetry.incoming == [folders.incoming.as_uri()]
    assert changed.telemetry.kernels == folders.mission / "kernels"
    assert changed.publication.targets[0].url == folders.archive.as_uri()


def test_other_processes_get_it_through_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path))
    for name in ("BROKER_TELEMETRY", "BROKER_PUBLICATION", "BROKER_AUTOMATION"):
        monkeypatch.delenv(name, raising=False)
    load_settings.cache_clear()
    try:
        adopt()
        given = load_settings()
        assert given.telemetry == with_demonstration(Settings(home=tmp_path, telemetry=TelemetrySettings())).telemetry
        assert given.automation.follow_seconds == 5
        assert json.loads(os.environ["BROKER_PUBLICATION"])["targets"][0]["name"] == TARGET
    finally:
        for name in ("BROKER_TELEMETRY", "BROKER_PUBLICATION", "BROKER_AUTOMATION"):
            os.environ.pop(name, None)
        load_settings.cache_clear()


TODAY = datetime.date(2026, 11, 29)
MONTH_AGO = datetime.date(2026, 10, 30)


def test_the_partitions_of_a_new_platform_begin_a_month_ago_and_stay_so(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    remember_beginning(settings, TODAY)
    for day in (TODAY, TODAY + datetime.timedelta(days=90)):  # the second start is another day
        remember_beginning(settings, day)
        changed = with_demonstration(settings)
        assert changed.nights_begin == changed.partitions.first_day == MONTH_AGO
    assert environment(settings).keys() == {"BROKER_PARTITIONS", "BROKER_NOTICES"}
    given = PartitionSettings.model_validate_json(environment(settings)["BROKER_PARTITIONS"])
    assert given == changed.partitions


def test_a_platform_that_ran_before_keeps_its_partitions(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    remember_beginning(Settings(home=tmp_path), TODAY)
    assert environment(Settings(home=tmp_path)) == {}


def test_a_beginning_that_the_user_sets_holds(tmp_path: Path) -> None:
    own = Settings(home=tmp_path / "home", partitions=PartitionSettings(first_night=datetime.date(2026, 1, 1)))
    remember_beginning(own, TODAY)
    assert not own.home.exists()
    remember_beginning(Settings(home=own.home), TODAY)
    assert with_demonstration(own).partitions is own.partitions

"""The demonstration applies only where the user has no telemetry."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from broker_assets.local.demo_settings import TARGET, DemoFolders, adopt, environment, is_configured, with_demonstration
from broker_assets.settings import PublicationTarget, Settings, TelemetrySettings, load_settings


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
    for name in ("BROKER_TELEMETRY", "BROKER_PUBLICATION"):
        monkeypatch.delenv(name, raising=False)
    load_settings.cache_clear()
    try:
        adopt()
        given = load_settings()
        assert given.telemetry == with_demonstration(Settings(home=tmp_path, telemetry=TelemetrySettings())).telemetry
        assert json.loads(os.environ["BROKER_PUBLICATION"])["targets"][0]["name"] == TARGET
    finally:
        for name in ("BROKER_TELEMETRY", "BROKER_PUBLICATION"):
            os.environ.pop(name, None)
        load_settings.cache_clear()

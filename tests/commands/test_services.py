"""`broker-assets down` and `doctor` where no platform runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.settings import load_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home."""
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    yield tmp_path / "home"
    load_settings.cache_clear()


def test_down_without_a_platform(home: Path) -> None:
    for _ in range(2):
        done = CliRunner().invoke(app, ["down"])
        assert (done.exit_code, done.output.strip()) == (0, "Nothing was running.")


def test_doctor_names_a_remedy_for_everything_that_is_missing() -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "250"})
    assert done.exit_code == (1 if "missing" in done.output else 0), done.output
    assert "what to do" in done.output


def test_up_refuses_impossible_options() -> None:
    assert CliRunner().invoke(app, ["up", "--alerts", "0"]).exit_code == 2

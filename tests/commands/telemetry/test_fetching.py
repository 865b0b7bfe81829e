"""`broker-assets telemetry fetch`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.settings import load_settings


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there" / "mk"
    there.mkdir(parents=True)
    (there / "a.tm").write_text("x")
    run = CliRunner().invoke
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    assert run(app, ["fetch"]).exit_code != 0
    sources = [
        {"input": "spice_kernels", "url": str(tmp_path / "there")},
        {"input": "observation_plan", "url": str(tmp_path / "absent")},
    ]
    monkeypatch.setenv("BROKER_TELEMETRY__SOURCES", json.dumps(sources))
    monkeypatch.setenv("BROKER_TELEMETRY__KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setenv("BROKER_TELEMETRY__PLANNING", str(tmp_path / "plans"))
    load_settings.cache_clear()
    assert "new: " in run(app, ["fetch", "--look", "spice_kernels"]).output
    both = run(app, ["fetch"])
    assert both.exit_code == 1
    assert "1 files are new" in both.output
    assert "does not exist" in both.output
    assert (tmp_path / "kernels" / "mk" / "a.tm").is_file()
    assert "nothing is new" in run(app, ["fetch", "--look", "spice_kernels"]).output

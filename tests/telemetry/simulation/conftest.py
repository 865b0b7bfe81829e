"""A simulated mission that tests read and do not change."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry.simulation import Mission, write_mission

START = datetime.date(2024, 5, 11)


@pytest.fixture(scope="session")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Mission:
    """Two days without faults."""
    return write_mission(tmp_path_factory.mktemp("missions") / "whole", start=START, days=2, seed=4)


@pytest.fixture(scope="session")
def products(mission: Mission, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that `telemetry process` makes of the mission, without a problem."""
    folder = tmp_path_factory.mktemp("products")
    result = CliRunner().invoke(
        app, ["process", *mission.process_options, "-f", str(folder / "fits"), "-e", "ALL", "-l", str(folder / "log")]
    )
    assert result.exit_code == 0, result.output
    return folder / "fits"

"""A simulated mission that tests read and do not change."""

from __future__ import annotations

import datetime

import pytest

from broker_assets.telemetry.simulation import Mission, write_mission

START = datetime.date(2024, 5, 11)


@pytest.fixture(scope="session")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Mission:
    """Two days without faults."""
    return write_mission(tmp_path_factory.mktemp("missions") / "whole", start=START, days=2, seed=4)

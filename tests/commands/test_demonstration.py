"""Commands in another terminal see the demonstration that runs: its telemetry and its partitions."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broker_assets.local.demo_settings import DemoFolders, remember_beginning
from broker_assets.settings import Settings


def status(home: Path, **more: str) -> dict[str, Any]:
    """What `broker-assets telemetry status` says, in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    environment = inherited | {"BROKER_HOME": str(home)} | more
    command = [sys.executable, "-m", "broker_assets.cli", "telemetry", "status", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_telemetry_counts_as_configured_where_a_demonstration_was_written(tmp_path: Path) -> None:
    assert not status(tmp_path / "bare")["configured"]
    DemoFolders.of(Settings(home=tmp_path / "demo")).mission.mkdir(parents=True)
    assert status(tmp_path / "demo")["configured"]


PROGRAM = """
import sys
from broker_assets.commands.demonstration import adopt
adopt()
from broker_assets.settings import load_settings
print(load_settings().nights_begin)
"""


@pytest.mark.parametrize("own", [None, "2026-05-01"])
def test_partitions_begin_where_those_of_the_services_do(tmp_path: Path, own: str | None) -> None:
    """A setting of the user's comes first."""
    home = tmp_path / "home"
    remember_beginning(Settings(home=home), datetime.date(2026, 11, 29))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    environment["BROKER_HOME"] = str(home)
    if own is not None:
        environment["BROKER_PARTITIONS__FIRST_NIGHT"] = own
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (own or "2026-10-30")

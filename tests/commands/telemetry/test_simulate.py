"""`broker-assets telemetry simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app


def simulate(out: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["telemetry", "simulate", str(out), *options], env={"COLUMNS": "200"})


def test_an_unusable_folder_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of somebody else")
    done = simulate(tmp_path / "file" / "mission", "--start", "2024-05-01")
    assert done.exit_code == 2
    assert "error: " in done.output
    assert (tmp_path / "file").read_text() == "of somebody else"


@pytest.mark.parametrize("options", [("--days", "0"), ("--seed", "-1"), ("--start", "May 2024")])
def test_impossible_options_are_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    done = simulate(tmp_path / "mission", *options)
    assert done.exit_code == 2
    assert options[0] in done.output
    assert not (tmp_path / "mission").exists()


def test_what_was_written_is_described(tmp_path: Path) -> None:
    out = tmp_path / "mission"
    done = simulate(out, "--start", "2024-05-01", "--seed", "3", "--damaged")
    assert done.exit_code == 0, done.output
    assert "1 days from 2024-05-01" in done.output
    assert "fault: " in done.output
    assert "broker-assets telemetry process" in done.output
    assert f"BROKER_TELEMETRY__KERNELS={(out / 'kernels').resolve()}" in done.output
    assert simulate(out, "--start", "2024-05-01").exit_code == 2, "the folder contains one"

"""Dagster's instance: what the image changes, and that Dagster accepts it."""

from __future__ import annotations

from pathlib import Path

import yaml
from dagster_docker import DockerRunLauncher
from dagster_private import dagster_instance_config_schema, validate_config

from broker_assets.local.instance import write_instance

ROOT = Path(__file__).parents[2]


DOCKER = ROOT / "docker"


def test_the_instance_of_the_image_differs_in_the_launcher_alone(tmp_path: Path) -> None:
    here = yaml.safe_load(write_instance(tmp_path / "here").read_text())
    there = yaml.safe_load(write_instance(tmp_path / "there", DOCKER / "run_launcher.yaml").read_text())
    launcher = there.pop("run_launcher")
    assert here.pop("run_launcher")["class"] == "LocalProcessRunLauncher"
    assert here == there
    assert launcher["class"] == "SettingsRunLauncher"
    result = validate_config(DockerRunLauncher.config_type(), launcher["config"])
    assert result.success, result.errors


def test_dagster_accepts_the_instance(tmp_path: Path) -> None:
    for override in (None, DOCKER / "run_launcher.yaml"):
        sections = yaml.safe_load(write_instance(tmp_path, override).read_text())
        result = validate_config(dagster_instance_config_schema(), sections)
        assert result.success, result.errors
